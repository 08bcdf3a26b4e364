package config

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

// field is one key that a section knows.
type field struct {
	name string
	// decode reads the value; zero for a section that inner describes.
	decode reader
	// inner lists the keys below, also where decode reads them; * stands for
	// any name.
	inner []field
	// after, when set, looks at a section as a whole.
	after func(d *decoder, n *yaml.Node, path string)
}

// reader reads one value, and says to editors what it takes.
type reader struct {
	read  func(d *decoder, n *yaml.Node, path string)
	takes shape
}

// decoder reads one file and collects what is wrong with it.
type decoder struct {
	file   string
	dir    string
	getenv func(string) (string, bool)

	mistakes Mistakes
	warnings []Mistake
	// foreign is set when the file was not written for us.
	foreign bool
	// literal is set when a secret stands in the file itself.
	literal bool
	// places holds where each key's value stands, by path.
	places map[string]place
}

type place struct{ line, column int }

func (d *decoder) mistake(line, column int, path, text string) {
	d.mistakes = append(d.mistakes, Mistake{d.file, line, column, path, text})
}

// at reports a mistake at a node.
func (d *decoder) at(n *yaml.Node, path, text string) { d.mistake(n.Line, n.Column, path, text) }

// under reports a mistake at the place of a path that was read, or else of the
// nearest section around it.
func (d *decoder) under(path, text string) {
	p := d.find(path)
	d.mistake(p.line, p.column, path, text)
}

// find returns the place of path or of the nearest section around it.
func (d *decoder) find(path string) place {
	for outer := path; outer != ""; {
		if p, ok := d.places[outer]; ok {
			return p
		}
		outer = outer[:max(strings.LastIndexAny(outer, ".["), 0)]
	}
	return place{1, 1}
}

// section reads n by its fields.
func (d *decoder) section(n *yaml.Node, path string, fields []field) {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	if path == "" && foreign(n, names) {
		d.foreign = true
		d.at(n, "", "is no configuration of cdcsync: it has none of the keys "+strings.Join(names, ", ")+"; is it the right file?")
		return
	}
	d.pairs(n, path, "is "+kindOf(n)+"; allowed are the keys "+strings.Join(names, ", "), func(key, value *yaml.Node, inner string) {
		for _, f := range fields {
			if f.name == key.Value {
				d.field(f, value, inner)
				return
			}
		}
		hint := spelling.Hint(key.Value, names)
		if hint == "" && (!plainKey.MatchString(key.Value) || value.Tag == "!!null") {
			d.at(key, path, "has something here that is no key, which is not shown as it may be part of a value; write a value with special characters in quotes; allowed are the keys "+strings.Join(names, ", "))
			return
		}
		d.at(key, inner, "is not a key here"+hint+"; allowed are "+strings.Join(names, ", "))
	})
}

// plainKey is what keys look like. Others, and those without a value, may be
// what YAML made of a value without quotes, such as {secret: ab,cd}.
var plainKey = regexp.MustCompile(`^[a-z][a-z_]{0,40}$`)

// foreign reports whether a section has keys, and none that could be meant to be
// one of names: then it was not written for us, and nothing of it is shown.
func foreign(n *yaml.Node, names []string) bool {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i].Value; slices.Contains(names, key) || spelling.Nearest(key, names) != "" {
			return false
		}
	}
	return true
}

func (d *decoder) field(f field, value *yaml.Node, path string) {
	if f.decode.read != nil {
		f.decode.read(d, value, path)
		return
	}
	d.section(value, path, f.inner)
	if f.after != nil {
		f.after(d, value, path)
	}
}

// pairs calls each for every key of a section, once per key.
func (d *decoder) pairs(n *yaml.Node, path, otherwise string, each func(key, value *yaml.Node, path string)) bool {
	if n.Kind != yaml.MappingNode {
		d.at(n, path, otherwise)
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			d.at(key, path, "has "+kindOf(key)+" for a key; a key is a word")
		case seen[key.Value] && value.Tag == "!!null":
			d.at(key, path, "has something twice that has no value; keep one, or write a value with special characters in quotes")
		case seen[key.Value]:
			d.at(key, inner, "is given twice; keep one")
		default:
			seen[key.Value] = true
			d.places[inner] = place{value.Line, value.Column}
			each(key, value, inner)
		}
	}
	return true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
