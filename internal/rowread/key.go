package rowread

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// keyColumn is a column that rows are found by, and how its type compares.
// Names of types and operators are qualified: what the search path holds is
// somebody else's, and an extension's operators need not be on it.
type keyColumn struct {
	name string
	// Type is the base type, for the value that is looked for.
	Type string `json:"type"`
	// Operator is the equality of the type's default operator class, by which
	// its unique indexes tell values apart; "" when the type has none.
	Operator string `json:"operator"`
	// Text is set where a value may be written in upper and lower case.
	Text bool `json:"text"`
	// base is the name of the base type in pg_type, for built-in ones.
	base string
	// domain is set where the column's own type is a domain: operators of enums,
	// ranges, arrays and composites do not take one.
	domain bool
}

// keyTypesJSON takes the OIDs of base types as a JSON array. PostgreSQL's own
// rule for the default operator class is in GetDefaultOpClass: the type's own,
// else that of one it is binary coercible to, a preferred one first.
const keyTypesJSON = `
SELECT COALESCE(jsonb_agg(jsonb_build_object(
	'type', quote_ident(n.nspname) || '.' || quote_ident(b.typname),
	'text', b.typcategory IN ('S', 'E') OR b.typcategory = 'U' AND b.oid >= 16384,
	'operator', (SELECT 'OPERATOR(' || quote_ident(opn.nspname) || '.' || o.oprname || ')'
		FROM pg_opclass c JOIN pg_am am ON am.oid = c.opcmethod AND am.amname IN ('btree', 'hash')
		JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
			AND p.amopstrategy = CASE am.amname WHEN 'btree' THEN 3 ELSE 1 END
		JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace opn ON opn.oid = o.oprnamespace
		JOIN pg_type ct ON ct.oid = c.opcintype
		WHERE c.opcdefault AND (c.opcintype = b.oid
			OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = b.oid AND k.casttarget = c.opcintype
				AND k.castmethod = 'b' AND k.castcontext = 'i')
			OR c.opcintype = CASE WHEN b.typtype = 'e' THEN 'anyenum'::regtype WHEN b.typtype = 'r' THEN 'anyrange'::regtype
				WHEN b.typtype = 'c' THEN 'record'::regtype WHEN b.typcategory = 'A' THEN 'anyarray'::regtype END)
		ORDER BY c.opcintype <> b.oid, NOT ct.typispreferred, am.amname, c.opcintype LIMIT 1)) ORDER BY w.ord), '[]')
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY w(oid, ord)
JOIN pg_type b ON b.oid = w.oid::oid JOIN pg_namespace n ON n.oid = b.typnamespace`

// keyColumns looks at how the columns of a key compare.
func (r *Session) keyColumns(ctx context.Context, t *catalog.Table, key []string) ([]keyColumn, error) {
	bases := make([]uint32, len(key))
	for i, name := range key {
		c := t.Column(name)
		if c == nil {
			return nil, problem(replication.Unreadable, "the table has no column %s to find rows by", pgx.Identifier{name}.Sanitize())
		}
		bases[i] = c.Base
	}
	oids, err := json.Marshal(bases)
	if err != nil {
		return nil, err
	}
	var columns []keyColumn
	if err := r.JSON(ctx, &columns, keyTypesJSON, string(oids)); err != nil {
		return nil, err
	}
	if len(columns) != len(key) {
		return nil, fmt.Errorf("the catalog knows %d types of %d key columns", len(columns), len(key))
	}
	for i := range columns {
		c := t.Column(key[i])
		columns[i].name, columns[i].domain, columns[i].base = key[i], c.Type != c.Base, c.BuiltIn()
	}
	return columns, nil
}

// exactly is the condition that column i of row t is value k of the parameters,
// by the type's own equality. A type without one is compared as text.
func (c *keyColumn) exactly(i int) string {
	column, value := "t."+pgx.Identifier{c.name}.Sanitize(), "k.k"+strconv.Itoa(i+1)
	if c.Operator == "" {
		return column + "::pg_catalog.text OPERATOR(pg_catalog.=) " + value
	}
	if c.domain {
		column += "::" + c.Type
	}
	return column + " " + c.Operator + " " + value + "::" + c.Type
}

// cast is parameter i as a value of the column's type.
func (c *keyColumn) cast(i int) string {
	return "$" + strconv.Itoa(i+1) + "::pg_catalog.text::" + c.Type
}

// takes reports whether a text may be a value of the column's type. False spares
// the server an error, and its log a line; a text of a type that is not looked at
// here may be refused by the server yet.
func (c *keyColumn) takes(text string) bool {
	text = strings.TrimSpace(text)
	switch bits := integerBits[c.base]; {
	case bits > 0:
		_, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			_, err = strconv.ParseInt(text, 0, bits) // 0x1f, from PostgreSQL 16 on
		}
		return err == nil
	case c.base == "uuid":
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune("{}-", r) {
				return -1
			}
			return r
		}, text)
		_, err := hex.DecodeString(digits)
		return err == nil && len(digits) == 32
	}
	return true
}

// integerBits are the sizes of the integer types.
var integerBits = map[string]int{"int2": 16, "int4": 32, "int8": 64}
