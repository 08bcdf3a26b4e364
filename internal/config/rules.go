package config

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// ruleFields lists the keys of an attribute's long form.
func ruleFields(rule *mapping.Rule) []field {
	return []field{
		{name: "column", decode: columnNames(rule)},
		{name: "expr", decode: textOf(&rule.Expr, anything)},
		{name: "lookup", decode: lookup(rule), inner: lookupFields(&mapping.Lookup{})},
		{name: "value", decode: reader{func(d *decoder, n *yaml.Node, path string) { rule.Constant = d.constant(n, path) }, constants}},
		{name: "null", decode: oneOf(&rule.OmitNull, []string{"clear", "omit"}, []bool{false, true})},
	}
}

// columnNames makes a reader for a column: its name, or a list that
// begins with it and goes on with names that it has had.
func columnNames(rule *mapping.Rule) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		if n.Kind != yaml.SequenceNode {
			textOf(&rule.Column, anything).read(d, n, path)
			return
		}
		if len(n.Content) == 0 {
			d.at(n, path, "is an empty list; give the column's name, and after it those that it has had")
			return
		}
		var names []string
		for i, item := range n.Content {
			name, ok := d.filled(item, path+"["+strconv.Itoa(i)+"]")
			if !ok {
				return
			}
			if slices.Contains(names, name) {
				d.at(item, path, "has "+strconv.Quote(name)+" twice; give each name once")
				return
			}
			names = append(names, name)
		}
		rule.Column, rule.Former = names[0], names[1:]
	}, oneOrMore}
}

// lookupFields lists the keys of a lookup.
func lookupFields(l *mapping.Lookup) []field {
	return []field{
		{name: "table", decode: reader{func(d *decoder, n *yaml.Node, path string) { l.Schema, l.Table = d.tableName(n, path) }, anyText}},
		{name: "column", decode: textOf(&l.Column, anything)},
		{name: "match", decode: matches(l)},
	}
}

// lookup makes a reader for a lookup.
func lookup(rule *mapping.Rule) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		rule.Lookup = &mapping.Lookup{}
		d.section(n, path, lookupFields(rule.Lookup))
	}, nil}
}

// matches makes a reader for the columns that say which row is looked up: their
// column to ours.
func matches(l *mapping.Lookup) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		d.pairs(n, path, "is "+kindOf(n)+"; a section of column there: column here is expected", func(key, value *yaml.Node, inner string) {
			if ours, ok := d.filled(value, inner); ok {
				l.Match = append(l.Match, mapping.Match{Theirs: key.Value, Ours: ours})
			}
		})
	}, named(anyText)}
}

// rules makes a reader for attributes: name to column, or to a rule.
func rules(into *[]mapping.Rule) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		d.pairs(n, path, "is "+kindOf(n)+"; a section of attribute: column is expected", func(key, value *yaml.Node, inner string) {
			rule := mapping.Rule{Attribute: key.Value}
			if !d.rule(&rule, value, inner) {
				// A stand-in, so that one mistake is not reported twice.
				rule.Column, rule.Former, rule.Expr, rule.Constant, rule.Lookup = "?", nil, "", nil, nil
			}
			*into = append(*into, rule)
		})
	}, named(shape{"$ref": "#/$defs/rule"})}
}

// rule reads one attribute; false when something is wrong with it.
func (d *decoder) rule(rule *mapping.Rule, n *yaml.Node, path string) bool {
	before := len(d.mistakes)
	if n.Kind == yaml.MappingNode {
		d.section(n, path, ruleFields(rule))
		return len(d.mistakes) == before
	}
	if n.Kind == yaml.SequenceNode || n.Tag == "!!null" {
		d.at(n, path, "is "+kindOf(n)+"; name a column, or write {column: …}, {expr: …}, {lookup: …} or {value: …}")
		return false
	}
	column, ok := d.filled(n, path)
	rule.Column = column
	return ok
}

// constant reads a value that is written as it stands; nil after a mistake.
func (d *decoder) constant(n *yaml.Node, path string) *marketo.Value {
	if n.Kind != yaml.ScalarNode {
		d.at(n, path, "is "+kindOf(n)+"; text, a number, true, false or null is expected")
		return nil
	}
	switch n.Tag {
	case "!!null":
		return &marketo.Value{Kind: marketo.Null}
	case "!!bool":
		return &marketo.Value{Kind: marketo.Boolean, Text: strings.ToLower(n.Value)}
	case "!!int", "!!float":
		return &marketo.Value{Kind: marketo.Number, Text: n.Value}
	}
	text, mistake := expand(n.Value, d.getenv)
	if mistake != "" {
		d.at(n, path, mistake)
		return nil
	}
	return &marketo.Value{Kind: marketo.String, Text: text}
}

// onDelete reads ignore, delete or {set: {attribute: value}}.
func (m *draft) onDelete(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		oneOf(&m.OnDelete.Delete, []string{"ignore", "delete"}, []bool{false, true}).read(d, n, path)
		return
	}
	if n.Kind == yaml.SequenceNode {
		d.at(n, path, "is a list; allowed are ignore, delete and {set: {attribute: value}}")
		return
	}
	d.section(n, path, m.deleteFields())
	if !d.given(path + ".set") {
		d.at(n, path, "is a section without set; allowed are ignore, delete and {set: {attribute: value}}")
	}
}

func (m *draft) deleteFields() []field {
	return []field{{name: "set", decode: reader{func(d *decoder, n *yaml.Node, path string) {
		ok := d.pairs(n, path, "is "+kindOf(n)+"; a section of attribute: value is expected", func(key, value *yaml.Node, inner string) {
			if v := d.constant(value, inner); v != nil {
				m.OnDelete.Set = append(m.OnDelete.Set, mapping.Rule{Attribute: key.Value, Constant: v})
			}
		})
		if ok && len(n.Content) == 0 {
			d.at(n, path, "is empty; name at least one attribute and its value, or write on_delete: ignore")
		}
	}, named(constants)}}}
}
