package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// catalogTimeout bounds a look at the catalog while reading waits for it.
const catalogTimeout = 30 * time.Second

// typeNames knows the types that the stream has named: a Stream or a Decoder.
type typeNames interface {
	TypeName(oid uint32) (pgoutput.TypeName, bool)
}

// relation fits the mappings to a table that is new or has changed. The stream
// describes it as it was when the changes that follow were written, which may
// be long ago.
func (r *reader) relation(life context.Context, names typeNames, m *pgoutput.Relation) error {
	set := r.runner.Mappings
	past := mapping.Past{Before: r.described[m.ID]}
	if past.Before != nil {
		set.Unbind(past.Before)
		set.Doubt(mapping.Table{Schema: m.Schema, Name: m.Name})
		delete(r.leavingOut.unmapped, past.Before)
	}
	r.described[m.ID] = m
	table, oid, err := r.tableOf(life, m)
	if err != nil {
		return err
	}
	past.Table = table
	r.viaRoot = r.viaRoot.next(m, len(set.Mappings(table)) > 0)
	if set.Lacks(past.Table, m) {
		found, err := r.describe(life, oid)
		if err != nil {
			return err
		}
		past.Now = &found
	}
	r.retyped(past, m)
	facts, err := r.facts(life, names, past.Table, m)
	if err != nil {
		return err
	}
	return r.bind(life, past, m, facts)
}

// describe asks the catalog what a table is now. The stream waits for it.
func (r *reader) describe(life context.Context, oid uint32) (catalog.Table, error) {
	ctx, cancel := context.WithTimeout(life, catalogTimeout)
	defer cancel()
	return r.runner.Source.DescribeOID(ctx, oid)
}

// retyped tells of mapped columns whose type is another than a moment ago: the
// values that an ALTER TABLE changes do not come as changes.
func (r *reader) retyped(past mapping.Past, m *pgoutput.Relation) {
	if past.Before == nil {
		return
	}
	for _, i := range r.runner.Mappings.Mappings(past.Table) {
		for _, name := range r.runner.Mappings.Columns(i) {
			is := func(c pgoutput.Column) bool { return c.Name == name }
			was, now := slices.IndexFunc(past.Before.Columns, is), slices.IndexFunc(m.Columns, is)
			if was >= 0 && now >= 0 && past.Before.Columns[was].Type != m.Columns[now].Type {
				r.runner.Log.Warn("column has another type; values that the ALTER TABLE changed (USING) are not in the stream",
					"table", past.Table.Schema+"."+past.Table.Name, "column", name, "transaction", r.final,
					"remedy", "if it changed values, update the rows once more, so that they come again")
			}
		}
	}
}

// facts asks what the types of a mapped table are, which the stream only
// names, and how its keys compare.
func (r *reader) facts(life context.Context, names typeNames, t mapping.Table, m *pgoutput.Relation) (*catalog.Facts, error) {
	if len(r.runner.Mappings.Mappings(t)) == 0 || m.Plain() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(life, catalogTimeout)
	defer cancel()
	session, err := r.runner.Source.Catalog(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s.%s: %w", m.Schema, m.Name, err)
	}
	defer session.Close(ctx)
	return session.Facts(ctx, m, names.TypeName)
}

// withoutOldKey deals with an update or a delete that does not tell the key the
// row had: that was not part of the replica identity then. An update is written
// whole; which object a delete takes away nobody can know.
func (r *reader) withoutOldKey(life context.Context, m *pgoutput.Change) error {
	set := r.runner.Mappings
	for _, i := range set.Of(m.Relation).WithoutOldKey() {
		d := set.Definition(i)
		if d.OnDelete.Ignores() || r.stops.has(i) {
			continue
		}
		table := d.Schema + "." + d.Table
		lost := slices.ContainsFunc(r.writes, func(w mapping.Write) bool {
			return w.Mapping == i && w.Problem != nil && w.Problem.Code == mapping.UnchangedKey
		})
		switch {
		case m.Operation == pgoutput.Delete && lost:
			err := r.stopAt(life, r.seq, []int{i}, fmt.Sprintf("a row of table %s was deleted in transaction %s while its replica identity did not have the key (%s), so that the stream does not tell which object of mapping %s that takes away; "+
				"remove it in marketo, then set on_delete: ignore until this place has been passed, and start again", table, r.final, strings.Join(d.KeyColumns(), ", "), d.Name))
			if err != nil {
				r.seq--
				return err
			}
			r.writes = slices.DeleteFunc(r.writes, func(w mapping.Write) bool { return w.Mapping == i })
		case m.Operation == pgoutput.Update:
			if r.rowCounts[i].withoutOldKey.Add(1) == 1 {
				r.runner.Log.Warn("updates do not tell the old key; where a key changed, the object of the old one stays",
					"table", table, "mapping", d.Name, "transaction", r.final,
					"remedy", "compare the keys in marketo with the table, and give the table a replica identity with the key")
			}
		}
	}
	return nil
}
