package rowread

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A search for other spellings of keys compares without case and trailing blanks.
// Where the table has an index of such an expression, the search uses the same
// one, so that it costs a look into the index; elsewhere the server computes it
// of every row.

// fold is how keys are compared without case and trailing blanks.
type fold struct {
	// collation knows upper and lower case beyond ASCII, whatever the database's
	// own one is.
	collation string
	// ways are the expressions of an index by column: with %s for its value.
	ways map[string]string
}

// foldWays are the expressions that fold a column. Those that leave blanks alone
// do only where a unique index has them: then it says what is one key.
var foldWays = []struct {
	way    string
	blanks bool
}{
	{"lower(rtrim(%s))", true}, {"upper(rtrim(%s))", true}, {"lower(rtrim(%s::text))", true}, {"upper(rtrim(%s::text))", true},
	{"lower(%s)", false}, {"upper(%s)", false}, {"lower(%s::text)", false}, {"upper(%s::text)", false},
}

// foldJSON takes the OID of a table.
const foldJSON = `SELECT jsonb_build_object(
	'collation', COALESCE((SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname)
		FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
		WHERE c.collname IN ('und-x-icu', 'pg_c_utf8') AND n.nspname = 'pg_catalog' AND getdatabaseencoding() = 'UTF8'
		ORDER BY c.collname DESC LIMIT 1), ' '),
	'indexes', (SELECT jsonb_agg(jsonb_build_object('unique', i.indisunique, 'keys',
			(SELECT jsonb_agg(pg_get_indexdef(i.indexrelid, k, true) ORDER BY k) FROM generate_series(1, i.indnkeyatts) k)))
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam AND am.amname = 'btree'
		WHERE i.indrelid = $1::oid AND i.indexprs IS NOT NULL AND i.indisvalid AND i.indisready AND i.indpred IS NULL))`

// prepareFold looks at how the keys are to be folded.
func (s *Snapshot) prepareFold(ctx context.Context) error {
	if s.fold.collation != "" {
		return nil
	}
	var known struct {
		Collation string `json:"collation"`
		Indexes   []struct {
			Unique bool     `json:"unique"`
			Keys   []string `json:"keys"`
		} `json:"indexes"`
	}
	if err := s.session.JSON(ctx, &known, foldJSON, strconv.FormatUint(uint64(s.Table.OID), 10)); err != nil {
		return err
	}
	s.fold.collation = known.Collation
	for _, index := range known.Indexes {
		if ways := s.waysOf(index.Keys, index.Unique); ways != nil {
			s.fold.ways = ways
			break
		}
	}
	return nil
}

// waysOf returns how an index folds the columns of the key; nil where it has
// anything else, or folds none.
func (s *Snapshot) waysOf(index []string, unique bool) map[string]string {
	ways := make(map[string]string)
	for _, key := range index {
		plain := slices.ContainsFunc(s.key, func(c keyColumn) bool { return !c.Text && isColumn(key, c.name, "%s") })
		if plain {
			continue
		}
		found := false
		for _, c := range s.key {
			for _, fold := range foldWays {
				if c.Text && (fold.blanks || unique) && isColumn(key, c.name, fold.way) {
					ways[c.name], found = fold.way, true
				}
			}
		}
		if !found {
			return nil
		}
	}
	if len(ways) == 0 {
		return nil
	}
	return ways
}

// isColumn reports whether the key of an index is a column in a way.
func isColumn(key, column, way string) bool {
	return key == strings.ReplaceAll(way, "%s", column) || key == strings.ReplaceAll(way, "%s", pgx.Identifier{column}.Sanitize())
}

// searches reports whether a search for other spellings computes every row of
// the table.
func (f *fold) searches() bool { return f.collation != "" && f.ways == nil }

// costly is how many rows a table has, by the planner's estimate, whose search is
// worth a word.
const costly = 10_000

// tellSearch tells once that the table of a mapping is searched, if it is and that
// costs its server something.
func (r *Reader) tellSearch(index int, s *Snapshot) {
	if !s.fold.searches() || s.Table.Rows < costly {
		return
	}
	d := r.mappings.Definition(index)
	if _, told := r.searching.LoadOrStore(index, true); told {
		return
	}
	r.log.Warn("other spellings of keys are looked for in the whole table, up to a thousand keys at a time", "mapping", d.Name,
		"table", d.Schema+"."+d.Table, "rows", int64(s.Table.Rows), "remedy", s.foldRemedy())
}

// foldRemedy is the index that spares the server the search.
func (s *Snapshot) foldRemedy() string {
	keys := make([]string, len(s.key))
	for i, c := range s.key {
		keys[i] = pgx.Identifier{c.name}.Sanitize()
		if !c.Text {
			continue
		}
		if column := s.Table.Column(c.name); !slices.Contains([]string{"text", "varchar", "bpchar", "name"}, column.BuiltIn()) {
			return "key the mapping by a column of a type whose values have one spelling, such as a number or uuid"
		}
		keys[i] = "lower(rtrim(" + keys[i] + "))"
	}
	how := "INDEX CONCURRENTLY"
	if s.Table.Kind == "p" { // cannot be built concurrently
		how = "INDEX"
	}
	return "as the table's owner, run: CREATE " + how + " ON " + pgx.Identifier{s.Table.Schema, s.Table.Name}.Sanitize() +
		" (" + strings.Join(keys, ", ") + "); a UNIQUE one also keeps two spellings from being two rows, and nothing has to be looked for"
}

// caselessly is the condition of exactly without regard to case and to blanks at
// the end, where the type has such.
func (c *keyColumn) caselessly(i int, f fold) string {
	if !c.Text {
		return c.exactly(i)
	}
	way := "pg_catalog.lower(pg_catalog.upper(pg_catalog.rtrim(%s::pg_catalog.text, E' \\t\\n\\r\\f\\v')" + f.collation + "))"
	if indexed := f.ways[c.name]; indexed != "" {
		way = indexed
	}
	return strings.ReplaceAll(way, "%s", "t."+pgx.Identifier{c.name}.Sanitize()) + " OPERATOR(pg_catalog.=) " +
		strings.ReplaceAll(way, "%s", "k.k"+strconv.Itoa(i+1))
}
