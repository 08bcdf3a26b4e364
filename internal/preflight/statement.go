package preflight

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Names and statements as PostgreSQL reads them.

func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

func idents(names []string) string { return strings.Join(quoted(names), ", ") }

func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = ident(name)
	}
	return all
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// member names a table in a publication's statement: an ordinary table with
// ONLY, so that tables inheriting from it stay out.
func member(t *catalog.Table) string {
	name := ident(t.Schema, t.Name)
	if t.Kind == "p" {
		return name
	}
	return "ONLY " + name
}

// createPublication is what a start runs when the publication is missing.
func createPublication(name string, tables []*catalog.Table) string {
	members := make([]string, len(tables))
	options := ""
	for i, t := range tables {
		members[i] = member(t)
		if t.Kind == "p" {
			options = " WITH (publish_via_partition_root = true)"
		}
	}
	return "CREATE PUBLICATION " + ident(name) + " FOR TABLE " + strings.Join(members, ", ") + options + ";"
}

func alterPublication(name, rest string) string {
	return "ALTER PUBLICATION " + ident(name) + " " + rest + ";"
}

func alterTable(schema, name, rest string) string {
	return "ALTER TABLE " + ident(schema, name) + " " + rest + ";"
}

// label is how a table is called in checks.
func label(t mapping.Table) string { return "table " + t.Schema + "." + t.Name }

// list shows names in words, cut after the first eight.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// missing returns those of names that are not among have.
func missing(names, have []string) []string {
	var lacking []string
	for _, name := range names {
		if !slices.Contains(have, name) {
			lacking = append(lacking, name)
		}
	}
	return lacking
}
