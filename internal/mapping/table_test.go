package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// OIDs of pg_type.dat, for tables described by hand.
const (
	boolOID, int4OID, int8OID, textOID       = 16, 23, 20, 25
	numericOID, float8OID, jsonbOID          = 1700, 701, 3802
	dateOID, timestampOID, timestamptzOID    = 1082, 1114, 1184
	bpcharOID, varcharOID, byteaOID          = 1042, 1043, 17
	textArrayOID, int4ArrayOID, moneyOID     = 1009, 1007, 790
	uuidOID, userOID, float8ArrayOID, boxOID = 2950, 16400, 1022, 1020
)

// null and unchanged stand for those values in row; all else is text.
type special int

const (
	null special = iota
	unchanged
)

func row(values ...any) []pgoutput.Value {
	var out []pgoutput.Value
	for _, v := range values {
		switch v {
		case null:
			out = append(out, pgoutput.Value{})
		case unchanged:
			out = append(out, pgoutput.Value{Kind: pgoutput.Unchanged})
		default:
			out = append(out, pgoutput.Value{Kind: pgoutput.Text, Text: []byte(fmt.Sprint(v))})
		}
	}
	return out
}

// column is a column of a table made by hand; key marks the identity.
func column(name string, oid uint32, key bool) pgoutput.Column {
	return pgoutput.Column{Name: name, Type: oid, Modifier: -1, Key: key}
}

func relation(identity pgoutput.Identity, columns ...pgoutput.Column) *pgoutput.Relation {
	if identity == pgoutput.IdentityFull {
		for i := range columns {
			columns[i].Key = true
		}
	}
	return &pgoutput.Relation{ID: 16385, Schema: "public", Name: "visits", Identity: identity, Columns: columns}
}

// compile makes a set of one mapping.
func compile(t testing.TB, d mapping.Definition) *mapping.Set {
	t.Helper()
	if d.Name == "" {
		d.Name, d.Schema, d.Table, d.Object = "visits", "public", "visits", "Visit"
	}
	if d.Key == nil {
		d.Key = []mapping.Rule{{Attribute: "rid", Column: "id"}}
	}
	s, err := mapping.Compile([]mapping.Definition{d})
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return s
}

func bound(t testing.TB, d mapping.Definition, rel *pgoutput.Relation) *mapping.Set {
	t.Helper()
	s := compile(t, d)
	if err := s.Bind(rel, nil); err != nil {
		t.Fatalf("bind: %v", err)
	}
	return s
}

// show writes w on one line: operation, values, and what else there is.
func show(w mapping.Write) string {
	var b strings.Builder
	b.WriteString(w.Operation.String())
	if err := w.Object.Check(); err != nil {
		b.WriteString(" broken: " + err.Error())
	}
	names := append(append([]string(nil), w.Object.Shape.Key...), w.Object.Shape.Attributes...)
	for i, v := range w.Object.Values() {
		switch v.Kind {
		case marketo.Omitted:
		case marketo.Null:
			b.WriteString(" " + names[i] + "=null")
		case marketo.String:
			fmt.Fprintf(&b, " %s=%q", names[i], v.Text)
		default:
			b.WriteString(" " + names[i] + "=" + v.Text)
		}
	}
	if w.Reread {
		b.WriteString(" reread")
	}
	if w.Partial {
		b.WriteString(" partial")
	}
	if w.Problem != nil {
		b.WriteString(" problem:" + w.Problem.Code)
	}
	return b.String()
}

func showAll(writes []mapping.Write) string {
	var lines []string
	for _, w := range writes {
		lines = append(lines, show(w))
	}
	return strings.Join(lines, " | ")
}

func constant(kind marketo.Kind, text string) *marketo.Value {
	return &marketo.Value{Kind: kind, Text: text}
}
