package scaffold

import (
	"io"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

var shop = []Offered{
	{catalog.TableName{Schema: "public", Name: "orders"}, 12},
	{catalog.TableName{Schema: "public", Name: "Road Show"}, -1},
	{catalog.TableName{Schema: "a=b", Name: "c=d"}, 0},
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct{ typed, want string }{
		{"all\n", "public.orders public.Road Show a=b.c=d"},
		{"2\n", "public.Road Show"},
		{"3, 1-2\n", "a=b.c=d public.orders public.Road Show"},
		{"1 1-1", "public.orders"},
		{"9\n0\n2-1\nx\n\n-\n2\n", "public.Road Show"},
		{"", "no table was chosen"},
		{"7\n", "no table was chosen"},
	} {
		chosen, err := Choose(strings.NewReader(tt.typed), io.Discard, shop)
		var got []string
		for _, w := range chosen {
			got = append(got, w.Table.String())
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); !strings.HasPrefix(text, tt.want) || err == nil && text != tt.want {
			t.Errorf("Choose(%q) = %q, want %q", tt.typed, text, tt.want)
		}
	}
	for _, line := range []string{"   1  public.orders  (about 12 rows)\n", "   2  public.\"Road Show\"\n"} {
		if !strings.Contains(Menu(shop), line) {
			t.Errorf("no %q in:\n%s", line, Menu(shop))
		}
	}
}

func TestParseWanted(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"orders", "public orders "},
		{"public.orders=Order_c", "public orders Order_c"},
		{"Road Show", "public Road Show "},
		{"public.Road Show=r_c", "public Road Show r_c"},
		{`"Road Show"=r_c`, "public Road Show r_c"},
		{"a=b.c=d", "a=b c=d "},
		{"a=b.c=d=e_c", "a=b c=d e_c"},
		{"sales.x", "sales x "},
		{"Sales.x", "upper-case letters need quotes"},
		{"orders=", "names no object"},
		{"a.b.c", "allowed is schema.table"},
	} {
		w, err := ParseWanted(tt.text, shop)
		got := w.Table.Schema + " " + w.Table.Name + " " + w.Object
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || err != nil && !strings.Contains(got, tt.want) {
			t.Errorf("ParseWanted(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	taken := map[string]bool{"city": true, "city_2": true}
	for _, tt := range []struct{ column, want string }{
		{"email", "email"}, {"City", "City_3"}, {"createdAt", "row_createdAt"}, {"MARKETOGUID", "row_MARKETOGUID"}, {"created_at", "created_at"},
		{"Größe", "Grosse"}, {"weiß", "weiss"}, {"first name", "first_name"}, {"_id", "field_id"}, {"1st", "field_1st"}, {"日本", "field_x"}, {`a"b\c`, "a_b_c"},
	} {
		if got := fieldName(tt.column, taken); got != tt.want {
			t.Errorf("fieldName(%q) = %q, want %q", tt.column, got, tt.want)
		}
	}
	for _, pair := range [][2]string{{"road_show", "roadShow_c"}, {"orders", "Order_c"}, {"Orders", "orders_c"}, {"RoadShow", "road_shows"}} {
		if foldedType(pair[0]) != foldedType(pair[1]) {
			t.Errorf("%s and %s are taken for two types", pair[0], pair[1])
		}
	}
	if folded("lead_ID") != folded("leadId") || folded("lead") == folded("leads") {
		t.Error("fields are not matched without case and underscores alone")
	}
}

// Whatever stands in a name, it stays a value, and a comment a comment.
func TestScalar(t *testing.T) {
	for text, want := range map[string]string{
		"city": "city", "no": `"no"`, "1": `"1"`, "a: b": "'a: b'", "a\nb": `"a\nb"`, "${HOME}": "$${HOME}", "#x": "'#x'", "&a": "'&a'", "": `""`, "null": `"null"`,
	} {
		if got := Scalar(text); got != want {
			t.Errorf("Scalar(%q) = %s, want %s", text, got, want)
		}
	}
	if got := comment("  ", "a\nb\x1b[31m\u2028c"); got != "  # a b [31m c\n" {
		t.Errorf("comment is %q", got)
	}
	for line := range strings.Lines(comment("    ", strings.Repeat("word ", 100))) {
		if len(line) > width+1 || !strings.HasPrefix(line, "    # ") {
			t.Errorf("line %q", line)
		}
	}
}
