package config

import (
	"errors"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// draft is a mapping being read.
type draft struct {
	mapping.Definition
	together bool
	backfill bool
}

// entry says where a definition stands.
type entry struct {
	file   string
	path   string
	places map[string]place
}

// locate translates a mistake of the definition to its place in the file.
func (e entry) locate(m mapping.Mistake) Mistake {
	d := decoder{places: e.places}
	path := join(e.path, m.Path)
	p := d.find(path)
	return Mistake{e.file, p.line, p.column, path, m.Text}
}

// mappings reads a list of mappings.
func (r *reading) mappings(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		d.at(n, path, "is "+kindOf(n)+"; a list is expected, each entry beginning with - name: or - table:")
		return
	}
	for i, item := range n.Content {
		inner := path + "[" + strconv.Itoa(i) + "]"
		d.places[inner] = place{item.Line, item.Column}
		m := draft{together: true}
		d.section(item, inner, mappingFields(&m))
		d.finish(item, inner, &m)
		r.Mappings = append(r.Mappings, m.Definition)
		r.definitions = append(r.definitions, entry{d.file, inner, d.places})
	}
}

// mappingFields lists every key of a mapping.
func mappingFields(m *draft) []field {
	return []field{
		{name: "name", decode: textOf(&m.Name, anything)},
		{name: "table", decode: reader{m.table, anyText}},
		{name: "object", decode: textOf(&m.Object, anything)},
		{name: "operation", decode: oneOf(&m.Operation, []string{"UPSERT", "INSERT", "UPDATE"},
			[]marketo.Operation{marketo.Upsert, marketo.Insert, marketo.Update})},
		{name: "key", decode: rules(&m.Key)},
		{name: "attributes", decode: rules(&m.Attributes), inner: []field{{name: "*", inner: ruleFields(&mapping.Rule{})}}},
		{name: "where", decode: textOf(&m.Where, anything)},
		{name: "on_delete", decode: reader{m.onDelete, words("ignore", "delete")}, inner: m.deleteFields()},
		{name: "on_truncate", decode: oneOf(&m.OnTruncate, []string{"ignore", "halt"},
			[]mapping.TruncatePolicy{mapping.TruncateIgnore, mapping.TruncateHalt})},
		{name: "characters", decode: oneOf(&m.Characters, []string{"reject", "strip", "replace"},
			[]mapping.CharacterPolicy{mapping.CharactersReject, mapping.CharactersStrip, mapping.CharactersReplace})},
		{name: "beyond_bmp", decode: oneOf(&m.BeyondBMP, []string{"keep", "replace", "strip", "reject"},
			[]mapping.BeyondPolicy{mapping.BeyondKeep, mapping.BeyondReplace, mapping.BeyondStrip, mapping.BeyondReject})},
		{name: "coalesce", decode: boolean(&m.together)},
		{name: "backfill", decode: boolean(&m.backfill)},
	}
}

// finish fills in what follows from other keys. What is missing is left to
// mapping.Compile, what was given and is wrong has been reported.
func (d *decoder) finish(n *yaml.Node, path string, m *draft) {
	m.Separate = !m.together
	if m.Name == "" && !d.given(path+".name") {
		m.Name = m.Table
	}
	if d.given(path + ".backfill") {
		m.Backfill = mapping.BackfillNo
		if m.backfill {
			m.Backfill = mapping.BackfillYes
		}
	}
}

func (m *draft) table(d *decoder, n *yaml.Node, path string) {
	m.Schema, m.Table = d.tableName(n, path)
}

// tableName reads the name of a table; "" after a mistake.
func (d *decoder) tableName(n *yaml.Node, path string) (schema, table string) {
	s, ok := d.filled(n, path)
	if !ok {
		return "", ""
	}
	schema, table, wrong := readTable(s)
	if wrong != "" {
		d.at(n, path, "is "+shown(n.Value)+"; "+wrong)
		return "", ""
	}
	return schema, table
}

// ParseTable reads a table's name as the key table has it: schema.table, or
// table for one of public. The error says what is allowed.
func ParseTable(s string) (schema, table string, err error) {
	schema, table, wrong := readTable(s)
	if wrong != "" {
		return "", "", errors.New(wrong)
	}
	return schema, table, nil
}

// readTable reads schema.table or table as SQL writes it. Upper case without
// quotes is an error, because SQL would fold it and a reader might not.
func readTable(s string) (schema, table, wrong string) {
	var parts []string
	for rest := s; ; rest = rest[1:] {
		part, after, ok := readIdentifier(rest)
		if !ok {
			return "", "", "allowed is schema.table or table"
		}
		if !strings.HasPrefix(rest, `"`) && part != strings.ToLower(part) {
			return "", "", `upper-case letters need quotes, as in '"` + part + `"', because SQL reads ` + part + " as " + strings.ToLower(part)
		}
		if len(part) > 63 {
			return "", "", "PostgreSQL's names have at most 63 bytes"
		}
		parts, rest = append(parts, part), after
		if rest == "" {
			break
		}
		if rest[0] != '.' || len(parts) == 2 {
			return "", "", "allowed is schema.table or table"
		}
	}
	if len(parts) == 1 {
		return "public", parts[0], ""
	}
	return parts[0], parts[1], ""
}

// readIdentifier reads one SQL identifier and returns what follows it.
func readIdentifier(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		name = s[:end]
		return name, s[end:], name != "" && !strings.ContainsAny(name, "\" \t\r\n'`;,()") && (name[0] < '0' || name[0] > '9')
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), s[i+1:], b.Len() > 0
	}
	return "", "", false
}
