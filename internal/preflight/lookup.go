package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// other is a table that values are looked up in.
type other struct {
	table   catalog.Table
	holders *replication.KeyHolders
	// indexed are the columns that indexes begin with.
	indexed []string
}

// leadingSQL takes names of tables, and returns the columns that the indexes of
// each begin with which have all rows, in their order.
const leadingSQL = `
SELECT COALESCE(jsonb_agg((SELECT jsonb_agg(DISTINCT a.attname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
		WHERE n.nspname = w.name->>'schema' AND c.relname = w.name->>'name') ORDER BY w.ord), '[]')
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY w(name, ord)`

// describeOthers looks at the tables that values are looked up in, each once.
func describeOthers(ctx context.Context, session *replication.Catalog, set *mapping.Set) (map[mapping.Table]*other, error) {
	var names []catalog.TableName
	for _, l := range set.Lookups() {
		if name := (catalog.TableName{Schema: l.Schema, Name: l.Table}); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, nil
	}
	tables, err := session.Describe(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	holders, err := session.Holders(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	param, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	var indexed [][]string
	if err := session.JSON(ctx, &indexed, leadingSQL, string(param)); err != nil {
		return nil, fmt.Errorf("preflight: look at indexes: %w", err)
	}
	found := make(map[mapping.Table]*other, len(names))
	for i, name := range names {
		found[mapping.Table(name)] = &other{tables[i], holders[i], indexed[i]}
	}
	return found, nil
}

// inspectLookups looks at whether values can be taken from other tables.
func (in *inspection) inspectLookups(others map[mapping.Table]*other) {
	said := map[string]bool{}
	for _, l := range in.set.Lookups() {
		d := in.set.Definition(l.Mapping)
		o := others[mapping.Table{Schema: l.Schema, Name: l.Table}]
		name := d.Attributes[l.Attribute].Attribute
		check := "lookup of " + d.Name + "." + name
		if !in.inspectOther(check, l, &o.table) {
			continue
		}
		if _, err := in.set.FitLookup(l.Mapping, l.Attribute, &o.table); err != nil {
			var mistakes mapping.Mistakes
			errors.As(err, &mistakes)
			for _, m := range mistakes {
				in.fail(check, in.locate(m), "correct the mapping at that place, or the table")
			}
			continue
		}
		in.ok(check, "it comes from column %s of %s.%s", l.Column, l.Schema, l.Table)
		in.inspectMatch(check, l, &o.table)
		// The rest is the same for all that look up by the same columns.
		by := fmt.Sprintf("%s.%s by %s", l.Schema, l.Table, strings.Join(l.Theirs(), ", "))
		if !said[by] {
			said[by] = true
			in.inspectOtherKey("lookup in "+by, o, l.Theirs())
		}
	}
}

// inspectOther looks at whether there is a table, and the right to read it.
func (in *inspection) inspectOther(check string, l mapping.AttributeLookup, t *catalog.Table) bool {
	d, user := in.set.Definition(l.Mapping), in.server.User
	path := "attributes." + d.Attributes[l.Attribute].Attribute + ".lookup.table"
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	switch {
	case !t.Exists:
		in.fail(check, in.locate(in.mistake(l.Mapping, path, "table "+t.Schema+"."+t.Name+" does not exist"+in.hint(name))),
			"correct the table's name in the mapping, or create the table")
	case kinds[t.Kind] != "":
		in.fail(check, in.locate(in.mistake(l.Mapping, path, t.Schema+"."+t.Name+" is "+kinds[t.Kind]+"; values are looked up in tables only")),
			"name the table that the value is in")
	case !t.MayRead:
		in.fail(check, fmt.Sprintf("role %s may not read %s.%s, which the value is looked up in", user, t.Schema, t.Name),
			"as the table's and the schema's owner, run:",
			"GRANT USAGE ON SCHEMA "+ident(t.Schema)+" TO "+ident(user)+";", "GRANT SELECT ON "+ident(t.Schema, t.Name)+" TO "+ident(user)+";")
	case t.RowSecurityActive:
		in.fail(check, fmt.Sprintf("row security hides rows of %s.%s from role %s, so that lookups fail", t.Schema, t.Name, user),
			"as a superuser, run:", "ALTER ROLE "+ident(user)+" BYPASSRLS;")
	default:
		return true
	}
	return false
}

// inspectOtherKey looks at whether the columns that rows are looked up by find
// one row, and find it soon.
func (in *inspection) inspectOtherKey(check string, o *other, theirs []string) {
	apart, _ := o.holders.Apart(theirs, false)
	indexed := slices.ContainsFunc(theirs, func(column string) bool { return slices.Contains(o.indexed, column) })
	how := "UNIQUE INDEX CONCURRENTLY"
	if o.table.Kind == "p" { // cannot be built concurrently
		how = "UNIQUE INDEX"
	}
	create := "CREATE " + how + " ON " + ident(o.table.Schema, o.table.Name) + " (" + idents(theirs) + ");"
	switch {
	case apart:
	case !indexed:
		in.warn(check, fmt.Sprintf("no index begins with %s: every lookup reads the whole table, of %s, and objects for which several rows match are parked", list(theirs), rows(o.table.Rows)),
			"as the table's owner, run:", create)
	default:
		in.warn(check, fmt.Sprintf("nothing keeps two rows from having the same %s: objects for which several rows match are parked", list(theirs)),
			"as the table's owner, run:", create)
	}
}

// inspectMatch looks at whether the columns that have to be equal can be.
func (in *inspection) inspectMatch(check string, l mapping.AttributeLookup, t *catalog.Table) {
	d := in.set.Definition(l.Mapping)
	at := slices.IndexFunc(in.tables, func(t catalog.Table) bool { return t.Schema == d.Schema && t.Name == d.Table })
	for _, m := range l.Match {
		ours, theirs := in.tables[at].Column(m.Ours), t.Column(m.Theirs)
		if ours == nil || theirs == nil || ours.Base == theirs.Base || sortOf(theirs) == texts {
			continue // what is missing is told with the columns
		}
		a, b := sortOf(ours), sortOf(theirs)
		detail := fmt.Sprintf("column %s is %s and column %s of %s.%s is %s: ", m.Ours, ours.Formatted, m.Theirs, t.Schema, t.Name, theirs.Formatted)
		remedy := "match columns of one type"
		switch {
		case a == texts || a == others || b == others:
			in.warn(check+" ("+m.Theirs+")", detail+"a value that is none of that type finds no row", remedy)
		case a != b:
			path := "attributes." + d.Attributes[l.Attribute].Attribute + ".lookup.match." + m.Theirs
			in.fail(check+" ("+m.Theirs+")", in.locate(in.mistake(l.Mapping, path, detail+"no value of one is one of the other")), remedy)
		}
	}
}

// sort groups types whose values may be equal to each other's.
type sort uint8

const (
	others sort = iota
	texts
	numbers
	truths
	times
	uuids
)

func sortOf(c *catalog.TableColumn) sort {
	switch familyOf(c) {
	case integer, decimal, floating:
		return numbers
	case boolean:
		return truths
	case date, datetime:
		return times
	case structured:
		return others
	}
	switch name := c.BuiltIn(); {
	case slices.Contains([]string{"text", "varchar", "bpchar", "name"}, name), c.BaseName == "citext":
		return texts
	case name == "uuid":
		return uuids
	}
	return others
}
