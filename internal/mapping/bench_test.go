package mapping_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// visits is the table of the measurements: a key, a lead, three texts, a time.
func visits(t testing.TB, d mapping.Definition) (*mapping.Set, *pgoutput.Change) {
	rel := relation('d', column("id", int8OID, true), column("lead_id", int8OID, false), column("city", textOID, false),
		column("zip", varcharOID, false), column("state", textOID, false), column("visited_at", timestamptzOID, false))
	for _, c := range rel.Columns[1:] {
		d.Attributes = append(d.Attributes, mapping.Rule{Attribute: c.Name, Column: c.Name})
	}
	return bound(t, d, rel), &pgoutput.Change{Relation: rel, Operation: pgoutput.Update,
		New: row(1234567, 7654321, "Amsterdam", "1012 AB", "NH", "2024-02-29 12:00:00.123456+00")}
}

func BenchmarkApply(b *testing.B) {
	for _, bb := range []struct {
		name string
		d    mapping.Definition
	}{
		{"columns", mapping.Definition{}},
		{"where", mapping.Definition{Where: `state != "XX"`}},
		{"expression", mapping.Definition{Attributes: []mapping.Rule{{Attribute: "upper", Expr: "upper(city)"}}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s, c := visits(b, bb.d)
			out := make([]mapping.Write, 0, 4)
			b.ReportAllocs()
			for b.Loop() {
				out = s.Apply(c, out[:0])
			}
		})
	}
}

// A write costs one string; the margin of one is for the pool.
func TestApplyAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool is not itself under the race detector")
	}
	s, c := visits(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "active", Constant: constant(marketo.Boolean, "true")}}})
	out := make([]mapping.Write, 0, 4)
	if got := testing.AllocsPerRun(1000, func() { out = s.Apply(c, out[:0]) }); got > 2 {
		t.Errorf("got %v allocations a write, want at most 2", got)
	}
}
