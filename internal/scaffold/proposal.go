package scaffold

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Proposal is a mapping of one table, with what is to be said about it.
type Proposal struct {
	Table *catalog.Table
	// Name is the mapping's; Object the API name of the custom object type.
	Name, Object string
	// unknown is set where Marketo does not have the object type, or was not
	// asked; guessed where nobody named it, besides.
	unknown, guessed bool
	Key              []Line
	Attributes       []Line
	// Left are the columns that are not mapped, and fields without a column.
	Left []Left
	// Notes are sentences about the mapping as a whole.
	Notes []string
	// Obstacles say why the table cannot be mapped yet, and what to do. With
	// any, the mapping is written as a comment.
	Obstacles []string
}

// Line is one field and its column, or where it is looked up.
type Line struct {
	Attribute, Column, Note string
	Lookup                  *mapping.Lookup
}

// Left is a column, or a field of the object type, that is not mapped.
type Left struct{ What, Why string }

// mostFields is what Marketo allows in one type, the key included; mostKeys
// what it allows as dedupe fields.
const (
	mostFields = 50
	mostKeys   = 3
)

// propose makes a proposal for a table that exists. The description is nil where
// Marketo was not asked, or does not have the type.
func propose(t *catalog.Table, object string, d *marketo.Description, people []person) Proposal {
	p := Proposal{Table: t, Name: plainName(t.Name), Object: object}
	if d != nil {
		p.Object = d.Name
	}
	refused := refusals(t)
	p.Notes = append(p.Notes, tableNote(t))
	if t.Kind != "r" && t.Kind != "p" {
		p.obstruct("it is no table, and only tables have changes in the WAL; map the table that its rows come from")
	}
	key := p.chooseKey(t, d, refused)
	var columns []*catalog.TableColumn
	for i := range t.Columns {
		c := &t.Columns[i]
		switch {
		case slices.Contains(key, c.Name):
		case c.Generated != "":
			p.leave(c, "PostgreSQL computes it, and leaves it out of the stream; map the columns that it is made from, with expr")
		case refused[c.Name] != "":
			p.leave(c, refused[c.Name])
		default:
			columns = append(columns, c)
		}
	}
	if d == nil || d.Learnt {
		p.nameByColumns(columns)
	} else {
		p.nameByFields(columns, d)
	}
	p.lookUp(people, d)
	if most := mostFields - len(p.Key); len(p.Attributes) > most {
		for _, l := range p.Attributes[most:] {
			p.leave(t.Column(l.Column), fmt.Sprintf("Marketo allows %d fields in one type, the key included", mostFields))
		}
		p.Attributes = p.Attributes[:most]
	}
	p.pointOutLink(d)
	return p
}

func (p *Proposal) leave(c *catalog.TableColumn, why string) {
	p.Left = append(p.Left, Left{c.Name + " (" + c.Formatted + ")", why})
}

// definition is what the configuration will say.
func (p *Proposal) definition() mapping.Definition {
	d := mapping.Definition{Name: p.Name, Schema: p.Table.Schema, Table: p.Table.Name, Object: p.Object, Operation: marketo.Upsert}
	for _, l := range p.Key {
		d.Key = append(d.Key, mapping.Rule{Attribute: l.Attribute, Column: l.Column})
	}
	for _, l := range p.Attributes {
		d.Attributes = append(d.Attributes, mapping.Rule{Attribute: l.Attribute, Column: l.Column, Lookup: l.Lookup})
	}
	return d
}

func tableNote(t *catalog.Table) string {
	what := "A table"
	if t.Kind == "p" {
		what = "A partitioned table, whose partitions come as its own"
	}
	if t.Rows < 0 {
		return what + "; PostgreSQL has not counted its rows yet (ANALYZE)."
	}
	return fmt.Sprintf("%s of about %.0f rows.", what, t.Rows)
}

// refusals says of columns why no mapping takes them, by asking the mappings.
func refusals(t *catalog.Table) map[string]string {
	refused := map[string]string{}
	const atOnce = mostFields - 1
	for chunk := range slices.Chunk(t.Columns, atOnce) {
		d := mapping.Definition{Name: "a", Schema: t.Schema, Table: t.Name, Object: "a", Operation: marketo.Upsert}
		d.Key = []mapping.Rule{{Attribute: "k", Column: chunk[0].Name}}
		for i, c := range chunk {
			d.Attributes = append(d.Attributes, mapping.Rule{Attribute: fmt.Sprintf("c%d", i), Column: c.Name})
		}
		for _, m := range mistakesOf(t, d) {
			for i, c := range chunk {
				if m.Path == fmt.Sprintf("attributes.c%d", i) {
					refused[c.Name] = m.Text
				}
			}
		}
	}
	return refused
}

// unfitKey says why a column cannot be a part of a key, "" where it can.
func unfitKey(t *catalog.Table, column string) string {
	d := mapping.Definition{Name: "a", Schema: t.Schema, Table: t.Name, Object: "a", Operation: marketo.Upsert,
		Key: []mapping.Rule{{Attribute: "k", Column: column}}}
	for _, m := range mistakesOf(t, d) {
		return m.Text
	}
	return ""
}

// mistakesOf binds a definition to the table as it is.
func mistakesOf(t *catalog.Table, d mapping.Definition) mapping.Mistakes {
	set, err := mapping.Compile([]mapping.Definition{d})
	if err == nil {
		relation := t.Relation()
		for i := range relation.Columns {
			relation.Columns[i].Key = true // the identity has findings of its own
		}
		err = set.Bind(relation, t.Facts())
	}
	if err == nil {
		return nil
	}
	if mistakes, ok := err.(mapping.Mistakes); ok {
		return mistakes
	}
	return mapping.Mistakes{{Text: err.Error()}}
}

func list(names []string) string { return strings.Join(names, ", ") }
