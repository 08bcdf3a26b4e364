package catalog

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// TableName is a table's schema and name, as the catalog spells them.
type TableName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// String writes schema.name.
func (n TableName) String() string { return n.Schema + "." + n.Name }

// Table is a table as the catalog describes it.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Exists is unset when there is no such relation; all else is zero then.
	Exists bool `json:"-"`
	// OID is what the table is known by, whatever its name: the stream's
	// Relation.ID.
	OID uint32 `json:"oid"`
	// Kind is pg_class.relkind: "r" a table, "p" a partitioned table, others
	// cannot be published.
	Kind string `json:"kind"`
	// Persistence is pg_class.relpersistence; only "p" is in the WAL.
	Persistence string `json:"persistence"`
	// Identity is the replica identity, and IdentityColumns the columns that
	// it sends of an old row; none means that updates and deletes fail on the
	// server once they are published.
	Identity        pgoutput.Identity `json:"-"`
	IdentityColumns []string          `json:"identity_columns"`
	PrimaryKey      []string          `json:"primary_key"`
	// Unique holds the columns of every unique index that is valid, immediate
	// and without predicate or expression.
	Unique [][]string `json:"unique"`
	// OddPartitions are the partitions whose replica identity differs from
	// the table's: theirs counts.
	OddPartitions []string      `json:"odd_partitions"`
	Columns       []TableColumn `json:"columns"`
	// RowSecurity is set when the table has it; RowSecurityActive when it
	// applies to the role that asked, whose reads then fail.
	RowSecurity       bool `json:"row_security"`
	RowSecurityActive bool `json:"row_security_active"`
	// MayRead is set when the role may read every column.
	MayRead bool `json:"may_read"`
	// Rows is the planner's estimate of the number of rows; -1 when the table
	// was never analysed.
	Rows float64 `json:"rows"`
	// Types are those of the columns that are not the same in every database,
	// and all that they are made from.
	Types map[uint32]TypeFacts `json:"-"`
}

// TableColumn is one column of a Table.
type TableColumn struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	// Type is the OID of the column's type, Base that of its base type: they
	// differ for a domain.
	Type uint32 `json:"type"`
	Base uint32 `json:"base"`
	// BaseName is the name of the base type in pg_type, e.g. int8.
	BaseName string `json:"base_name"`
	// Formatted is the type as SQL writes it, e.g. character varying(20).
	Formatted string `json:"formatted"`
	Modifier  int32  `json:"modifier"`
	NotNull   bool   `json:"not_null"`
	// Generated is "s" for a stored generated column, "v" for a virtual one,
	// "" otherwise; the stream leaves generated columns out.
	Generated string `json:"generated"`
	// Storage is pg_attribute.attstorage: "p" is never TOASTed.
	Storage string `json:"storage"`
	// Enum is set when the base type is an enum.
	Enum bool `json:"enum"`
	// Array is set when the base type is an array.
	Array bool `json:"array"`
	// Locale is that of a collation that takes texts for equal that are not
	// the same, "" for all others.
	Locale string `json:"locale"`
}

// BuiltIn returns the name of the base type if it is one of PostgreSQL's own,
// else "": others may have the same name.
func (c *TableColumn) BuiltIn() string {
	if c.Base >= pgoutput.FixedOIDs {
		return ""
	}
	return c.BaseName
}

// Column returns the column of that name, nil when there is none.
func (t *Table) Column(name string) *TableColumn {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// UniqueOn reports whether a unique index has exactly these columns, in any
// order: then they identify a row.
func (t *Table) UniqueOn(columns ...string) bool {
	want := slices.Sorted(slices.Values(columns))
	for _, index := range t.Unique {
		if slices.Equal(slices.Sorted(slices.Values(index)), want) {
			return true
		}
	}
	return false
}

// UnmarshalJSON reads one table of the answer; null leaves t as it is.
func (t *Table) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	type plain Table
	answer := struct {
		*plain
		Identity string `json:"identity"`
	}{plain: (*plain)(t)}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	if len(answer.Identity) != 1 {
		return fmt.Errorf("replica identity %q", answer.Identity)
	}
	t.Exists, t.Identity = true, pgoutput.Identity(answer.Identity[0])
	return nil
}

// Relation returns the table as the stream would describe it, were all its
// columns published, generated ones too. Key marks the columns of the replica
// identity.
func (t *Table) Relation() *pgoutput.Relation {
	rel := &pgoutput.Relation{Schema: t.Schema, Name: t.Name, Identity: t.Identity}
	for _, c := range t.Columns {
		rel.Columns = append(rel.Columns, pgoutput.Column{
			Name: c.Name, Type: c.Type, Modifier: c.Modifier,
			Key: slices.Contains(t.IdentityColumns, c.Name),
		})
	}
	return rel
}

// Facts returns what is known of the columns beyond Relation.
func (t *Table) Facts() *Facts {
	f := &Facts{Types: t.Types}
	for _, c := range t.Columns {
		if c.Locale == "" {
			continue
		}
		if f.Locales == nil {
			f.Locales = make(map[string]string)
		}
		f.Locales[c.Name] = c.Locale
	}
	return f
}
