package marketo

import (
	"strings"
	"testing"
)

func TestSame(t *testing.T) {
	text := func(s string) Value { return Value{String, s} }
	number := func(s string) Value { return Value{Number, s} }
	for _, tt := range []struct {
		ours, theirs Value
		dataType     string
		want         bool
	}{
		{Value{}, text("x"), "string", true},
		{Value{Kind: Null}, Value{Kind: Null}, "string", true},
		{text(""), Value{Kind: Null}, "string", true},
		{Value{Kind: Null}, text("x"), "string", false},
		{text("x"), Value{Kind: Null}, "string", false},
		{text("Ab"), text("ab"), "string", false},
		{text("1.0"), text("1"), "string", false},
		{number("1000302"), text("1000302"), "integer", true},
		{number("1.50"), number("1.5"), "currency", true},
		{number("1.5"), number("1.6"), "float", false},
		{number("9007199254740993"), number("9007199254740992"), "integer", false},
		{Value{Boolean, "true"}, text("1"), "boolean", true},
		{Value{Boolean, "true"}, Value{Boolean, "false"}, "boolean", false},
		{text("2026-01-02T03:04:05.678Z"), text("2026-01-02T04:04:05+01:00"), "datetime", true},
		{text("2026-01-02T03:04:05Z"), text("2026-01-02T03:04:06Z"), "datetime", false},
		{text("2026-01-02"), text("2026-01-02T00:00:00Z"), "date", true},
		{text("2026-01-02T03:04:05Z"), text("2026-01-02 03:04:05"), "", true},
		{number("2"), text("2.0"), "", true},
		{text("2"), text("2.0"), "", false},
		{text("2026-01-02T03:04:05+00:00"), text("2026-01-02T03:04:05Z+0000"), "datetime", true},
	} {
		if got := Same(tt.ours, tt.theirs, tt.dataType); got != tt.want {
			t.Errorf("Same(%v, %v, %q) = %t, want %t", tt.ours, tt.theirs, tt.dataType, got, tt.want)
		}
	}
}

// What is found in another spelling is that of a key which nothing has exactly.
func TestOf(t *testing.T) {
	text := func(texts ...string) (values []Value) {
		for _, s := range texts {
			values = append(values, Value{String, s})
		}
		return values
	}
	d := Description{Fields: []Field{{Name: "name", DataType: "string"}, {Name: "nr", DataType: "integer"}}}
	q := Query{Key: []string{"name", "nr"}, Keys: [][]Value{text("Bob", "1"), text("bob", "1"), text("ANN ", "1"), text("eve", "2")}}
	found := []Stored{{Values: text("Bob", "1.0")}, {Values: text("ann", "1")}, {Values: text("ann", "2")}, {Values: text("eve", "2")}, {Values: text("eve", "2")}}
	for i, want := range []string{"Bob", "", "ann", "eve eve"} {
		var got []string
		for _, s := range d.Of(&q, found, q.Keys[i]) {
			got = append(got, s.Values[0].Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %s: %q, want %q", q.Keys[i][0].Text, got, want)
		}
	}
}
