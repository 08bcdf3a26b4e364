package preflight

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func TestFitColumn(t *testing.T) {
	// numeric(p, s) as PostgreSQL keeps it: numerictypmodin in numeric.c.
	numeric := func(precision, scale int32) int32 { return precision<<16 | scale&0x7ff + 4 }
	tests := []struct {
		column   string
		modifier int32
		field    string
		length   int
		want     string // level and end of the detail; "" when it fits
	}{
		{"int4", -1, "integer", 0, ""},
		{"int8", -1, "integer", 0, ""},
		{"int8", -1, "float", 0, "warn the last may be lost"},
		{"int2", -1, "currency", 0, ""},
		{"int4", -1, "string", 255, ""},
		{"int4", -1, "boolean", 0, "warn 0 and 1 are sent as false and true, anything else is refused"},
		{"int4", -1, "date", 0, "fail no value would be accepted"},
		{"numeric", numeric(12, 0), "integer", 0, ""},
		{"numeric", numeric(12, 2), "integer", 0, "warn a value with a fraction is refused"},
		{"numeric", numeric(3, -2), "integer", 0, ""},
		{"numeric", -1, "integer", 0, "warn a value with a fraction is refused"},
		{"numeric", numeric(12, 2), "currency", 0, ""},
		{"numeric", numeric(20, 2), "currency", 0, "warn the last may be lost"},
		{"numeric", -1, "float", 0, "warn the last may be lost"},
		{"float8", -1, "float", 0, ""},
		{"float8", -1, "integer", 0, "warn a value with a fraction is refused"},
		{"bool", -1, "boolean", 0, ""},
		{"bool", -1, "integer", 0, "fail no value would be accepted"},
		{"date", -1, "date", 0, ""},
		{"timestamptz", -1, "date", 0, "warn without one where it wants one"},
		{"timestamp", -1, "datetime", 0, ""},
		{"date", -1, "datetime", 0, "warn without one where it wants one"},
		{"uuid", -1, "string", 20, ""},
		{"bool", -1, "datetime", 0, "fail no value would be accepted"},
		{"text", -1, "integer", 0, "warn a text that is a number is sent as one, any other is refused"},
		{"uuid", -1, "integer", 0, "warn a text that is a number is sent as one, any other is refused"},
		{"jsonb", -1, "text", 30000, "warn a value of more than 30000 characters is refused"},
		{"_int4", -1, "integer", 0, "fail no value would be accepted"},
		{"varchar", 24, "string", 20, ""},
		{"varchar", 25, "email", 20, "warn a value of more than 20 characters is refused"},
		{"bpchar", 25, "String", 20, "warn a value of more than 20 characters is refused"},
		{"varchar", -1, "string", 20, "ok a value of more than 20 characters is refused"},
		{"text", -1, "text", 0, ""},
		{"text", -1, "reference", 0, ""},
	}
	for _, tt := range tests {
		c := &catalog.TableColumn{Name: "c", BaseName: tt.column, Formatted: tt.column, Modifier: tt.modifier, Array: strings.HasPrefix(tt.column, "_")}
		level, detail := CompareColumn(c, &marketo.Field{Name: "f", DataType: tt.field, Length: tt.length})
		got := ""
		if detail != "" {
			got = level.String() + " " + detail
		}
		want, end, _ := strings.Cut(tt.want, " ")
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, end) || (got == "") != (tt.want == "") {
			t.Errorf("Fit(%s %d, %s %d) = %q, want %q", tt.column, tt.modifier, tt.field, tt.length, got, tt.want)
		}
	}
}

func TestFitConstant(t *testing.T) {
	tests := []struct {
		kind        marketo.Kind
		text, field string
		fits        bool
	}{
		{marketo.Null, "", "integer", true},
		{marketo.Number, "12", "integer", true},
		{marketo.Number, "1.5", "integer", false},
		{marketo.Number, "1.5", "float", true},
		{marketo.String, "x", "currency", false},
		{marketo.Boolean, "false", "boolean", true},
		{marketo.Number, "1", "boolean", true},
		{marketo.Number, "2", "boolean", false},
		{marketo.String, "2026-02-03", "date", true},
		{marketo.String, "3.2.2026", "date", false},
		{marketo.String, "2026-02-03T04:05:06Z", "datetime", true},
		{marketo.String, "2026-02-03", "datetime", false},
		{marketo.String, "äöü", "string", true},
		{marketo.String, "äöüß", "string", false},
		{marketo.String, "anything", "reference", true},
	}
	for _, tt := range tests {
		level, detail := compareConstant(marketo.Value{Kind: tt.kind, Text: tt.text}, &marketo.Field{DataType: tt.field, Length: 3})
		if fits := detail == "" && level == OK; fits != tt.fits {
			t.Errorf("fitConstant(%q, %s) = %s %q, want fits = %t", tt.text, tt.field, level, detail, tt.fits)
		}
	}
}

func TestUses(t *testing.T) {
	tests := []struct {
		source, name string
		want         bool
	}{
		{"", "city", false},
		{"city", "city", true},
		{"upper(city)", "city", true},
		{"capacity + city2 + _city", "city", false},
		{"capacity + city", "city", true},
		{`$env["Odd Name"]`, "Odd Name", true},
		{"größe", "gr", false},
		{"x", "", false},
	}
	for _, tt := range tests {
		if got := uses(tt.source, tt.name); got != tt.want {
			t.Errorf("uses(%q, %q) = %t, want %t", tt.source, tt.name, got, tt.want)
		}
	}
}

// A type of the database's own may be called as one of PostgreSQL's, or as an
// array.
func TestFitColumnOfItsOwnType(t *testing.T) {
	for _, name := range []string{"_mood", "int4"} {
		c := &catalog.TableColumn{Name: "c", Base: 16400, BaseName: name, Formatted: name, Modifier: -1}
		if level, detail := CompareColumn(c, &marketo.Field{Name: "f", DataType: "boolean"}); level != Warn {
			t.Errorf("%s: %v %s, want a warning as for text", name, level, detail)
		}
	}
}
