package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// publishable reports whether a publication can have the table.
func publishable(t *catalog.Table) bool {
	return t.Exists && (t.Kind == "r" || t.Kind == "p") && t.Persistence == "p"
}

// kinds names what is no table; the letters are those of pg_class.relkind.
var kinds = map[string]string{
	"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence",
	"c": "a composite type", "i": "an index", "I": "an index", "t": "a TOAST table",
}

// inspectTable holds one mapped table against its mappings.
func (in *inspection) inspectTable(t *catalog.Table) {
	name := mapping.Table{Schema: t.Schema, Name: t.Name}
	check := label(name)
	first := in.set.Mappings(name)[0]
	switch {
	case !t.Exists:
		text := in.locate(in.mistake(first, "table", "table "+t.Schema+"."+t.Name+" does not exist"+in.hint(name)))
		in.fail(check, text, "correct the table's name in the mapping, or create the table")
		return
	case kinds[t.Kind] != "":
		text := in.locate(in.mistake(first, "table", t.Schema+"."+t.Name+" is "+kinds[t.Kind]+"; only tables have changes in the WAL"))
		in.fail(check, text, "map the table that the rows come from")
		return
	case t.Persistence == "u":
		in.fail(check, "the table is unlogged, so that its changes are not in the WAL",
			"as the table's owner, run:", alterTable(t.Schema, t.Name, "SET LOGGED"))
		return
	case t.Persistence != "p":
		in.fail(check, "the table is temporary, so that its changes are not in the WAL", "map a permanent table")
		return
	}
	in.ok(check, "%s, %s", map[bool]string{true: "a partitioned table", false: "a table"}[t.Kind == "p"], rows(t.Rows))
	in.about(ScopeStream, "", func() { in.inspectMember(t) })
	in.inspectHeirs(t)
	in.inspectPartitions(t)
	in.inspectColumns(t)
	in.inspectIdentity(t)
	in.about(ScopeKeys, "", func() { in.inspectKeys(t) })
	in.about(ScopeRows, "", func() { in.inspectRights(t) })
}

func (in *inspection) mistake(i int, path, text string) mapping.Mistake {
	return mapping.Mistake{Mapping: i, Name: in.set.Definition(i).Name, Path: path, Text: text}
}

// hint names the table that was perhaps meant: one of the same name in
// another schema, or one with a similar name.
func (in *inspection) hint(t mapping.Table) string {
	for _, name := range in.facts.Names {
		if strings.HasSuffix(name, "."+t.Name) {
			return fmt.Sprintf("; did you mean %q?", name)
		}
	}
	return spelling.Hint(t.Schema+"."+t.Name, in.facts.Names)
}

func rows(estimate float64) string {
	if estimate < 0 {
		return "never analysed"
	}
	if estimate >= 0.5 && estimate < 1.5 {
		return "about 1 row"
	}
	digits := fmt.Sprintf("%.0f", estimate)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return "about " + digits + " rows"
}

// uses reports whether an expression has name as a word. A word inside a text
// of the expression counts too, which costs a warning at most.
func uses(source, name string) bool {
	letter := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127
	}
	for from := 0; name != ""; {
		at := strings.Index(source[from:], name)
		if at < 0 {
			break
		}
		at += from
		before, after := source[:at], source[at+len(name):]
		if !strings.ContainsFunc(lastRune(before), letter) && !strings.ContainsFunc(firstRune(after), letter) {
			return true
		}
		from = at + len(name)
	}
	return false
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func lastRune(s string) string {
	r := []rune(s)
	return string(r[max(0, len(r)-1):])
}

// computed returns the columns of mapping i that where or an expression uses.
func (in *inspection) computed(i int) (where, expressions []string) {
	d := in.set.Definition(i)
	for _, column := range in.set.Columns(i) {
		if uses(d.Where, column) {
			where = append(where, column)
		}
		if slices.ContainsFunc(d.Attributes, func(r mapping.Rule) bool { return r.Lookup == nil && uses(r.Expr, column) }) {
			expressions = append(expressions, column)
		}
	}
	return where, expressions
}
