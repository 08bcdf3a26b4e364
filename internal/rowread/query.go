package rowread

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

// rowsQuery reads the rows of all keys, which come as an array of texts for
// each key column, ordered by the number of the key, which comes first. Where
// no unique index covers the key, each key is looked up by itself and brings two
// rows, or MostRows: there could be any number.
func (s *Snapshot) rowsQuery(folded bool) string {
	from, where := s.keysAndRows(folded)
	columns := strings.Join(s.columns(), ", ")
	if folded || s.unique() {
		return "SELECT k.n, " + columns + " FROM " + from + " JOIN " + s.table() + " ON " + where + " ORDER BY k.n"
	}
	most := 2
	if s.Several {
		most = MostRows
	}
	return "SELECT k.n, t.* FROM " + from + " CROSS JOIN LATERAL (SELECT " + columns +
		" FROM " + s.table() + " WHERE " + where + " LIMIT " + strconv.Itoa(most) + ") AS t ORDER BY k.n"
}

// lookupQuery is rowsQuery for at most two rows of each key, in one look at the
// table also where no index helps.
func (s *Snapshot) lookupQuery() string {
	if s.unique() {
		return s.rowsQuery(false)
	}
	from, where := s.keysAndRows(false)
	var inner, outer []string
	for i, column := range s.columns() {
		name := "c" + strconv.Itoa(i+1)
		inner, outer = append(inner, column+" AS "+name), append(outer, name)
	}
	return "SELECT n, " + strings.Join(outer, ", ") + " FROM (SELECT k.n, " + strings.Join(inner, ", ") +
		", pg_catalog.row_number() OVER (PARTITION BY k.n) AS r FROM " + from + " JOIN " + s.table() + " ON " + where +
		") AS found WHERE r <= 2 ORDER BY n"
}

// columns are those of Relation, as SQL.
func (s *Snapshot) columns() []string {
	columns := make([]string, len(s.Relation.Columns))
	for i, c := range s.Relation.Columns {
		columns[i] = "t." + pgx.Identifier{c.Name}.Sanitize()
	}
	return columns
}

// table is what the rows are read from, as t.
func (s *Snapshot) table() string {
	table := s.rowsOf(catalog.TableName{Schema: s.Table.Schema, Name: s.Table.Name}, s.Table.Kind)
	if s.filter != "" {
		table = "(SELECT * FROM " + table + " WHERE " + s.filter + ")"
	}
	return table + " AS t"
}

// keysAndRows are the keys, as k with their number n, and which row has one.
func (s *Snapshot) keysAndRows(folded bool) (keys, where string) {
	var arrays, names, conditions []string
	for i := range s.key {
		arrays = append(arrays, "pg_catalog.unnest($"+strconv.Itoa(i+1)+"::pg_catalog.text[])")
		names = append(names, "k"+strconv.Itoa(i+1))
		if folded {
			conditions = append(conditions, s.key[i].caselessly(i, s.fold))
		} else {
			conditions = append(conditions, s.key[i].exactly(i))
		}
	}
	return "ROWS FROM (" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS k(" + strings.Join(names, ", ") + ", n)", strings.Join(conditions, " AND ")
}

// filterJSON takes publication, schema and table. Before PostgreSQL 15 the view
// has no such column.
const filterJSON = `SELECT to_jsonb(COALESCE((SELECT to_jsonb(v)->>'rowfilter' FROM pg_publication_tables v
	WHERE v.pubname = $1 AND v.schemaname = $2 AND v.tablename = $3 LIMIT 1), ''))`

// unique reports whether a unique index keeps two rows from having one key.
func (s *Snapshot) unique() bool {
	return slices.ContainsFunc(s.Table.Unique, func(index []string) bool {
		return !slices.ContainsFunc(index, func(column string) bool {
			return !slices.ContainsFunc(s.key, func(k keyColumn) bool { return k.name == column })
		})
	})
}

// valuesQuery fails when a key is no value of its columns' types.
func (s *Snapshot) valuesQuery() string {
	values := make([]string, len(s.key))
	for i := range s.key {
		values[i] = s.key[i].cast(i)
	}
	return "SELECT " + strings.Join(values, ", ")
}
