package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFile is the largest configuration file, in bytes.
const maxFile = 1 << 20

// parse reads one YAML document. It returns nil after a mistake.
func (d *decoder) parse(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if at := unreadable(data); at >= 0 {
		line, column := position(data, at)
		what := "is not UTF-8 here; save the file as UTF-8"
		if data[at] == 0 {
			what = "holds a zero byte; is it a text file?"
		}
		d.mistake(line, column, "", what)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			d.mistake(1, 1, "", "is empty; see config.example.yaml for what belongs here")
			return nil
		}
		d.syntax(data, err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		d.mistake(second.Line, second.Column, "", "begins a second document; one file holds one")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
		return nil
	}
	root := document.Content[0]
	if !d.plain(root) {
		return nil
	}
	return root
}

// unreadable returns the offset of the first zero byte or byte that is not
// UTF-8; -1 when there is none.
func unreadable(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == 0 || r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// position returns the line and the column of an offset.
func position(data []byte, at int) (line, column int) {
	before := data[:at]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

var anchorName = regexp.MustCompile(`anchor '.*'`)

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports what the YAML parser says; where the line begins with a tab,
// that is what is wrong.
func (d *decoder) syntax(data []byte, err error) {
	if at := tabIndent(data); at >= 0 {
		line, column := position(data, at)
		d.mistake(line, column, "", "is indented with a tab; YAML allows spaces only")
		return
	}
	text, line := err.Error(), 1
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		text = text[len(match[0]):]
		if n, err := strconv.Atoi(match[1]); err == nil {
			line = n
		}
	}
	// The parser repeats the name of an anchor, which may be a value that begins
	// with * and has no quotes.
	text = anchorName.ReplaceAllString(text, "anchor")
	d.mistake(line, 1, "", "is not YAML: "+text)
}

// tabIndent returns the offset of the first tab in an indentation, or -1.
func tabIndent(data []byte) int {
	at := 0
	for line := range bytes.Lines(data) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if tab := bytes.IndexByte(indent, '\t'); tab >= 0 {
			return at + tab
		}
		at += len(line)
	}
	return -1
}

// plain refuses anchors, aliases, merges and tags: what a file says must be
// where it says it, and an alias can make a small file a huge one.
func (d *decoder) plain(n *yaml.Node) bool {
	ok := true
	switch {
	case n.Kind == yaml.AliasNode:
		d.at(n, "", "is an alias; write the value out, in quotes if it begins with *")
		return false
	case n.Anchor != "":
		d.at(n, "", "has an anchor; anchors and aliases are not used here, and a text that begins with & needs quotes")
		ok = false
	case n.Style&yaml.TaggedStyle != 0:
		d.at(n, "", "has a tag; tags are not used here, and a text that begins with ! needs quotes")
		ok = false
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag == "!!merge" {
			d.at(child, "", "is a merge; write the keys out")
			ok = false
			continue
		}
		ok = d.plain(child) && ok
	}
	return ok
}

// kindOf names what a node is, for mistakes.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	switch strings.TrimPrefix(n.Tag, "!!") {
	case "null":
		return "empty"
	case "bool":
		return "true or false"
	case "int", "float":
		return "a number"
	case "timestamp":
		return "a date"
	}
	return "text"
}
