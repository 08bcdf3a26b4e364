package scaffold

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// person is a table to which a foreign key leads, and its column with the e-mail
// address of somebody.
type person struct {
	table *catalog.Table
	email *catalog.TableColumn
	match []mapping.Match
}

func (o *person) String() string { return o.table.Schema + "." + o.table.Name + "." + o.email.Name }

// ours are the columns of the foreign key.
func (o *person) ours() string {
	var names []string
	for _, m := range o.match {
		names = append(names, m.Ours)
	}
	return list(names)
}

// foreignKey leads from columns of a table to those of another.
type foreignKey struct {
	catalog.TableName
	Ours   []string `json:"ours"`
	Theirs []string `json:"theirs"`
}

// foreignKeysSQL lists the foreign keys of a table that lead to another one.
const foreignKeysSQL = `
SELECT COALESCE(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', r.relname,
	'ours', (SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM unnest(f.conkey) WITH ORDINALITY k(attnum, ord)
		JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
	'theirs', (SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM unnest(f.confkey) WITH ORDINALITY k(attnum, ord)
		JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum))
	ORDER BY f.conkey, f.conname), '[]')
FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE f.contype = 'f' AND f.conrelid = $1 AND f.confrelid <> f.conrelid AND f.conparentid = 0`

// people finds the tables with e-mail addresses to which a foreign key of t
// leads, those first whose columns are named after a person.
func (d *Draft) people(ctx context.Context, t *catalog.Table) ([]person, error) {
	var keys []foreignKey
	if err := d.Session.JSON(ctx, &keys, foreignKeysSQL, fmt.Sprint(t.OID)); err != nil {
		return nil, fmt.Errorf("list the foreign keys of %s.%s: %w", t.Schema, t.Name, err)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(keys, func(a, b foreignKey) int { return byPerson(a) - byPerson(b) })
	var names []catalog.TableName
	for _, k := range keys {
		names = append(names, k.TableName)
	}
	tables, err := d.Session.Describe(ctx, names)
	if err != nil {
		return nil, err
	}
	var people []person
	for i, k := range keys {
		other := &tables[i]
		at := slices.IndexFunc(other.Columns, func(c catalog.TableColumn) bool {
			return slices.Contains(addresses, folded(c.Name)) && !c.Array
		})
		if at < 0 || !other.Exists {
			continue
		}
		p := person{table: other, email: &other.Columns[at]}
		for j := range k.Ours {
			p.match = append(p.match, mapping.Match{Theirs: k.Theirs[j], Ours: k.Ours[j]})
		}
		people = append(people, p)
	}
	return people, nil
}

func byPerson(k foreignKey) int {
	if slices.ContainsFunc(k.Ours, func(c string) bool { return slices.Contains(personIDs, folded(c)) }) {
		return 0
	}
	return 1
}

// lookUp maps the e-mail of the person that a foreign key leads to, where the table
// itself says nothing of who it is. The field is the one that Marketo links by, or
// one that is called so; without a description one is named.
func (p *Proposal) lookUp(people []person, d *marketo.Description) {
	if len(people) == 0 || p.knowsWho() {
		return
	}
	chosen := &people[0]
	field, note := "", chosen.email.Formatted
	if d == nil || d.Learnt {
		field = fieldName("email", p.taken())
	} else if f := p.emailField(d); f != nil {
		level, fit := preflight.CompareColumn(chosen.email, f)
		if level == preflight.Fail {
			return
		}
		if level == preflight.Warn {
			note = fit
		}
		field = f.Name
		p.Left = slices.DeleteFunc(p.Left, func(l Left) bool { return strings.HasPrefix(l.What, "field "+f.Name+" (") })
	}
	if field == "" {
		return
	}
	note += "; of the row that " + chosen.ours() + " leads to"
	p.Attributes = slices.Insert(p.Attributes, 0, Line{Attribute: field, Note: note, Lookup: &mapping.Lookup{
		Schema: chosen.table.Schema, Table: chosen.table.Name, Column: chosen.email.Name, Match: chosen.match,
	}})
	text := fmt.Sprintf("Lookup: %s comes from %s, by the foreign key. A change there alone sends nothing; docs/mapping.md has what to do about that.", field, chosen)
	if len(people) > 1 {
		var others []string
		for i := range people[1:] {
			others = append(others, fmt.Sprintf("%s (%s)", &people[i+1], people[i+1].ours()))
		}
		text += " If that is the wrong person, there are " + list(others) + "."
	}
	p.Notes = append(p.Notes, text)
}

// knowsWho reports whether a column has Marketo's id of the lead, or an address.
func (p *Proposal) knowsWho() bool {
	for _, lines := range [][]Line{p.Attributes, p.Key} {
		for _, l := range lines {
			if name := folded(l.Column); slices.Contains(leadIDs, name) || slices.Contains(addresses, name) {
				return true
			}
		}
	}
	return false
}

// emailField is the field for an address that no column has: the one that links
// objects to leads by their e-mail, else one of such a name.
func (p *Proposal) emailField(d *marketo.Description) *marketo.Field {
	taken := p.taken()
	free := func(is func(name string) bool) *marketo.Field {
		for i, f := range d.Fields {
			if f.Updateable && !taken[strings.ToLower(f.Name)] && is(f.Name) {
				return &d.Fields[i]
			}
		}
		return nil
	}
	for _, link := range d.Links {
		if slices.Contains(addresses, folded(link.RelatedTo.Field)) {
			return free(func(name string) bool { return strings.EqualFold(name, link.Field) })
		}
	}
	return free(func(name string) bool { return slices.Contains(addresses, folded(name)) })
}
