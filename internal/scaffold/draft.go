package scaffold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Draft makes proposals for tables of one database.
type Draft struct {
	Session *replication.Catalog
	// Marketo, where it is set, says which object types there are: one call
	// for the list, and one for each type that a table is for.
	Marketo *rest.Client
}

// Propose makes a proposal for each table, and says what somebody has to do
// before the first start. An error says why none could be made.
func (d *Draft) Propose(ctx context.Context, wanted []Wanted, offered []Offered) ([]Proposal, []preflight.Finding, error) {
	var names []catalog.TableName
	for _, w := range wanted {
		if slices.Contains(names, w.Table) {
			return nil, nil, fmt.Errorf("table %s is named twice", w.Table)
		}
		names = append(names, w.Table)
	}
	tables, err := d.Session.Describe(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	types, err := d.types(ctx)
	if err != nil {
		return nil, nil, err
	}
	var proposals []Proposal
	for i := range tables {
		if !tables[i].Exists {
			return nil, nil, Missing(names[i], offered)
		}
		p, err := d.one(ctx, &tables[i], wanted[i].Object, types)
		if err != nil {
			return nil, nil, err
		}
		proposals = append(proposals, p)
	}
	tellApart(proposals)
	for i := range proposals {
		if p := &proposals[i]; p.unknown && d.Marketo != nil {
			p.Notes = append(p.Notes, unknownType(p.Object, types))
		}
	}
	steps, err := d.examine(ctx, proposals)
	return proposals, steps, err
}

// types lists the object types; nil when Marketo is not asked.
func (d *Draft) types(ctx context.Context) ([]marketo.Description, error) {
	if d.Marketo == nil {
		return nil, nil
	}
	types, err := d.Marketo.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the object types of Marketo: %w", err)
	}
	return types, nil
}

// one makes the proposal of a table that exists.
func (d *Draft) one(ctx context.Context, t *catalog.Table, object string, types []marketo.Description) (Proposal, error) {
	people, err := d.people(ctx, t)
	if err != nil {
		return Proposal{}, err
	}
	name := typeFor(t, object, types)
	if d.Marketo == nil || name == "" {
		guessed := object == ""
		if guessed {
			object = objectName(t.Name)
		}
		p := propose(t, object, nil, people)
		p.unknown, p.guessed = true, guessed
		return p, nil
	}
	description, err := d.Marketo.Describe(ctx, name)
	if err != nil {
		return Proposal{}, fmt.Errorf("describe %s: %w", name, err)
	}
	return propose(t, name, &description, people), nil
}

// unknownType says that Marketo does not have an object type.
func unknownType(object string, types []marketo.Description) string {
	there := "There are none yet."
	if len(types) > 0 {
		var names []string
		for _, t := range types {
			names = append(names, t.Name)
		}
		there = "There are " + list(names) + "."
	}
	return "Object type: Marketo has none called " + object + "; make it there, with these fields, or name another (TABLE=OBJECT). " + there
}

// typeFor finds the type for a table: the one that was named, or else the one
// that is called as the table is; "" when there is none.
func typeFor(t *catalog.Table, object string, types []marketo.Description) string {
	for _, d := range types {
		if object != "" && strings.EqualFold(d.Name, object) {
			return d.Name
		}
	}
	if object != "" {
		return ""
	}
	for _, d := range types {
		if foldedType(d.Name) == foldedType(t.Name) || d.DisplayName != "" && foldedType(d.DisplayName) == foldedType(t.Name) {
			return d.Name
		}
	}
	return ""
}

// tellApart gives mappings and guessed types names of their own.
func tellApart(proposals []Proposal) {
	names, objects := map[string]bool{}, map[string]bool{}
	for i := range proposals {
		p := &proposals[i]
		if names[strings.ToLower(p.Name)] {
			p.Name = unused(plainName(p.Table.Schema+"_"+p.Table.Name), names)
		}
		names[strings.ToLower(p.Name)] = true
		if p.guessed && objects[strings.ToLower(p.Object)] {
			p.Object = objectName(p.Table.Schema + "_" + p.Table.Name)
		}
		if objects[strings.ToLower(p.Object)] {
			p.obstruct("object type " + p.Object + " is for another table already, and one type belongs to one mapping; name another type for it (TABLE=OBJECT)")
		}
		objects[strings.ToLower(p.Object)] = true
	}
}

// examine holds the proposals against the database as check does, until what is
// left of them passes. What stands against a table becomes its obstacle, all
// else a step before the first start.
func (d *Draft) examine(ctx context.Context, proposals []Proposal) ([]preflight.Finding, error) {
	server, err := d.Session.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var kept []*Proposal
		var definitions []mapping.Definition
		for i := range proposals {
			if len(proposals[i].Obstacles) == 0 {
				kept = append(kept, &proposals[i])
				definitions = append(definitions, proposals[i].definition())
			}
		}
		if kept == nil {
			return nil, nil
		}
		set, err := mapping.Compile(definitions)
		if obstructed(kept, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen, err := preflight.Source(ctx, d.Session, server, set, func(m mapping.Mistake) string { return m.Text })
		if err != nil {
			return nil, err
		}
		steps, again := assign(kept, seen.Findings)
		if !again {
			return steps, nil
		}
	}
}

// obstructed makes mistakes of mappings obstacles, and reports whether there
// were any.
func obstructed(kept []*Proposal, err error) bool {
	var mistakes mapping.Mistakes
	if !errors.As(err, &mistakes) {
		return false
	}
	for _, m := range mistakes {
		kept[m.Mapping].obstruct(m.Path + " " + m.Text)
	}
	return len(mistakes) > 0
}

// assign gives each finding its place, and reports whether a table got an
// obstacle.
func assign(kept []*Proposal, findings []preflight.Finding) (steps []preflight.Finding, again bool) {
	for _, f := range findings {
		p := ownerOf(kept, f.Table)
		switch {
		case f.Level == preflight.Warn && p != nil && f.Scope == preflight.ScopeKeys:
			if note := "Note: " + f.Detail + "; " + f.Remedy.String(); !slices.Contains(p.Notes, note) {
				p.Notes = append(p.Notes, note)
			}
		case f.Level != preflight.Fail:
		case p == nil, f.Scope == preflight.ScopeStream, f.Scope == preflight.ScopeRows:
			steps = append(steps, f)
		default:
			p.obstruct(f.Detail + "; " + f.Remedy.String())
			again = true
		}
	}
	return steps, again
}

// ownerOf finds the proposal that is about a table; nil for none.
func ownerOf(kept []*Proposal, table string) *Proposal {
	for _, p := range kept {
		if table == p.Table.Schema+"."+p.Table.Name {
			return p
		}
	}
	return nil
}
