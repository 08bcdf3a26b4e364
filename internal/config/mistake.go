package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing wrong with a file.
type Mistake struct {
	File string
	// Line and Column count from 1.
	Line, Column int
	// Path is the key's path, "marketo.soap.endpoint"; "" for the whole file.
	Path string
	// Text says what was found and what is allowed.
	Text string
}

func (m Mistake) Error() string {
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
	}
	if m.Path == "" {
		return where + ": " + m.Text
	}
	return where + ": " + m.Path + ": " + m.Text
}

// Mistakes is every mistake of one Load, in the order of the files.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders mistakes by file (in the order of files), line and column.
func (m Mistakes) sorted(files []string) Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return m
}
