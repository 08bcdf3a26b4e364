package agreement_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/agreement"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

const schema = `
CREATE DOMAIN zip AS text;
CREATE TABLE people (id bigint PRIMARY KEY, name text, zip zip, credit numeric(10,2), seen timestamptz, nick text, kind text);
INSERT INTO people VALUES
	(1, 'Ada', '01234', 12.50, '2026-02-03 04:05:06.789+01', NULL, 'guest'),
	(2, 'Bob', NULL, NULL, NULL, 'bo', 'guest'),
	(3, 'Cyd', '9', 7, NULL, NULL, 'staff'),
	(4, 'infinite', NULL, 'NaN', NULL, NULL, 'guest');
CREATE TABLE visits (day date, place text, seconds float8, PRIMARY KEY (day, place)) PARTITION BY RANGE (day);
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO visits VALUES ('2026-05-01', 'here', 1.5e3), ('2026-05-01', 'there|else', 0.25);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2);`

// people is a mapping with a filter and a delete, or with what a test changes.
func people(change func(*mapping.Definition)) mapping.Definition {
	d := mapping.Definition{
		Name: "people", Schema: "public", Table: "people", Object: "Person",
		Key: []mapping.Rule{{Attribute: "pid", Column: "id"}},
		Attributes: []mapping.Rule{
			{Attribute: "name", Expr: "upper(name)"},
			{Attribute: "zip", Column: "zip"},
			{Attribute: "credit", Column: "credit"},
			{Attribute: "seen", Column: "seen"},
			{Attribute: "nick", Column: "nick", OmitNull: true},
		},
		Where:    `kind == "guest"`,
		OnDelete: mapping.DeletePolicy{Delete: true},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func visits() mapping.Definition {
	return mapping.Definition{
		Name: "visits", Schema: "public", Table: "visits", Object: "Visit",
		Key:        []mapping.Rule{{Attribute: "place", Column: "place"}, {Attribute: "day", Column: "day"}},
		Attributes: []mapping.Rule{{Attribute: "seconds", Column: "seconds"}},
	}
}

type object = map[string]string

// right holds the objects as they should be.
func right() map[string][]object {
	return map[string][]object{
		"Person": {
			{"pid": "1", "name": "ADA", "zip": "01234", "credit": "12.5", "seen": "2026-02-03T03:05:06Z", "nick": "an older one"},
			{"pid": "2", "name": "BOB", "nick": "bo"},
		},
		"Visit": {
			{"day": "2026-05-01", "place": "here", "seconds": "1500"},
			{"day": "2026-05-01", "place": "there|else", "seconds": "0.25"},
		},
	}
}

// held gives objects the form that Compare asks for.
func held(objects map[string][]object) func(string) map[string]map[string]string {
	return func(typeName string) map[string]map[string]string {
		byKey := map[string]map[string]string{}
		for i, o := range objects[typeName] {
			byKey[fmt.Sprint(i)] = o
		}
		return byKey
	}
}

func compile(t *testing.T, definitions ...mapping.Definition) *mapping.Set {
	t.Helper()
	set, err := mapping.Compile(definitions)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestCompare(t *testing.T) {
	source := database(t, "compare", schema)
	inactive := func(d *mapping.Definition) {
		no := marketo.Value{Kind: marketo.Boolean, Text: "false"}
		d.OnDelete = mapping.DeletePolicy{Set: []mapping.Rule{{Attribute: "active", Constant: &no}}}
	}
	tests := []struct {
		name   string
		people func(*mapping.Definition)
		// change spoils the objects.
		change func(objects map[string][]object)
		// tally is that of Person, in the order rows, filtered, unmappable,
		// objects, retained, missing, extra, different.
		tally string
		want  []string
	}{
		{name: "agree", tally: "2 1 1 2 0 0 0 0"},
		{
			name:   "missing",
			change: func(o map[string][]object) { o["Person"], o["Visit"] = o["Person"][:1], o["Visit"][1:] },
			tally:  "2 1 1 1 0 1 0 0",
			want:   []string{"missing: Person pid=2", "missing: Visit place=here, day=2026-05-01"},
		},
		{
			name:   "extra",
			change: func(o map[string][]object) { o["Person"] = append(o["Person"], object{"pid": "9", "name": "X"}) },
			tally:  "2 1 1 3 0 0 1 0",
			want:   []string{"extra: Person pid=9"},
		},
		{
			name:   "a row that does not match where",
			change: func(o map[string][]object) { o["Person"] = append(o["Person"], object{"pid": "3", "name": "CYD"}) },
			tally:  "2 1 1 3 0 0 1 0",
			want:   []string{"extra: Person pid=3"},
		},
		{
			name: "different",
			change: func(o map[string][]object) {
				o["Person"][0]["credit"] = "12.51"
				delete(o["Person"][0], "zip")
				o["Person"][1]["seen"] = "2026-02-03T03:05:06Z"
			},
			tally: "2 1 1 2 0 0 0 2",
			want: []string{
				`different: Person pid=1: credit is "12.51", should be "12.50"; zip is null, should be "01234"`,
				`different: Person pid=2: seen is "2026-02-03T03:05:06Z", should be null`,
			},
		},
		{
			name:   "a moment that differs",
			change: func(o map[string][]object) { o["Person"][0]["seen"] = "2026-02-03T04:05:06Z" },
			tally:  "2 1 1 2 0 0 0 1",
			want:   []string{`different: Person pid=1: seen is "2026-02-03T04:05:06Z", should be "2026-02-03T03:05:06+00:00"`},
		},
		{
			name:   "an attribute that nothing maps",
			change: func(o map[string][]object) { o["Person"][1]["colour"] = "red" },
			tally:  "2 1 1 2 0 0 0 1",
			want:   []string{`different: Person pid=2: colour is "red", should be null`},
		},
		{
			name:   "null that is left out",
			people: func(d *mapping.Definition) { d.Attributes[1].OmitNull = true },
			change: func(o map[string][]object) { o["Person"][1]["zip"] = "an older one" },
			tally:  "2 1 1 2 0 0 0 0",
		},
		{
			name:   "a row that cannot become an object",
			change: func(o map[string][]object) { o["Person"] = append(o["Person"], object{"pid": "4", "name": "before"}) },
			tally:  "2 1 1 3 0 0 0 0",
		},
		{
			name:   "deleted and ignored",
			people: func(d *mapping.Definition) { d.OnDelete = mapping.DeletePolicy{} },
			change: func(o map[string][]object) { o["Person"] = append(o["Person"], object{"pid": "9", "name": "X"}) },
			tally:  "2 1 1 3 1 0 0 0",
		},
		{
			name:   "deleted and set",
			people: inactive,
			change: func(o map[string][]object) {
				o["Person"] = append(o["Person"], object{"pid": "9", "active": "false"}, object{"pid": "3", "active": "false"})
			},
			tally: "2 1 1 4 2 0 0 0",
		},
		{
			name:   "deleted and not set",
			people: inactive,
			change: func(o map[string][]object) { o["Person"] = append(o["Person"], object{"pid": "9", "active": "true"}) },
			tally:  "2 1 1 3 0 0 0 1",
			want:   []string{`different: Person pid=9: active is "true", should be "false"`},
		},
		{
			name:   "only updated",
			people: func(d *mapping.Definition) { d.Operation = marketo.Update },
			change: func(o map[string][]object) { o["Person"] = o["Person"][:1]; o["Person"][0]["name"] = "X" },
			tally:  "2 1 1 1 0 0 0 1",
			want:   []string{`different: Person pid=1: name is "X", should be "ADA"`},
		},
		{
			name:   "only inserted",
			people: func(d *mapping.Definition) { d.Operation = marketo.Insert },
			change: func(o map[string][]object) { o["Person"] = o["Person"][:1]; o["Person"][0]["name"] = "OLDER" },
			tally:  "2 1 1 1 0 1 0 0",
			want:   []string{"missing: Person pid=2"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects := right()
			if test.change != nil {
				test.change(objects)
			}
			report, err := agreement.Compare(t.Context(), source, compile(t, people(test.people), visits()), held(objects))
			if err != nil {
				t.Fatal(err)
			}
			p := report.Mappings[0]
			if got := fmt.Sprint(p.Rows, p.Filtered, p.Unmappable, p.Objects, p.Retained, p.Missing, p.Extra, p.Different); got != test.tally {
				t.Errorf("tally of Person is %s, want %s", got, test.tally)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.String())
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if agrees := len(test.want) == 0; report.Agrees() != agrees {
				t.Errorf("Agrees() is %v, want %v", report.Agrees(), agrees)
			}
		})
	}
}

// Rows of a table that inherits are not changes of its parent.
func TestCompareInheritance(t *testing.T) {
	source := database(t, "inheritance", schema)
	set := compile(t, mapping.Definition{Name: "parent", Schema: "public", Table: "parent", Object: "Parent", Key: []mapping.Rule{{Attribute: "pid", Column: "id"}}})
	report, err := agreement.Compare(t.Context(), source, set, held(map[string][]object{"Parent": {{"pid": "1"}}}))
	if err != nil {
		t.Fatal(err)
	}
	if !report.Agrees() || report.Total().Rows != 1 {
		t.Errorf("report is %+v, want one row that agrees", report)
	}
}

// A finding of each kind is named a limited number of times, and all count.
func TestCompareMany(t *testing.T) {
	source := database(t, "many", `CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 25);`)
	set := compile(t, mapping.Definition{Name: "parent", Schema: "public", Table: "parent", Object: "Parent",
		Key: []mapping.Rule{{Attribute: "pid", Column: "id"}}, OnDelete: mapping.DeletePolicy{Delete: true}})
	objects := map[string][]object{}
	for i := range 15 {
		objects["Parent"] = append(objects["Parent"], object{"pid": fmt.Sprint(100 + i)})
	}
	report, err := agreement.Compare(t.Context(), source, set, held(objects))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[agreement.Kind]int{}
	for _, f := range report.Findings {
		kinds[f.Kind]++
	}
	if want := (map[agreement.Kind]int{agreement.Missing: agreement.MaxFindings, agreement.Extra: agreement.MaxFindings}); !maps.Equal(kinds, want) {
		t.Errorf("findings by kind are %v, want %v", kinds, want)
	}
	if sum := report.Total(); sum.Missing != 25 || sum.Extra != 15 {
		t.Errorf("total is %+v, want 25 missing and 15 extra", sum)
	}
}

func TestCompareErrors(t *testing.T) {
	source := database(t, "errors", schema)
	gone := people(func(d *mapping.Definition) { d.Table = "gone" })
	misfit := people(func(d *mapping.Definition) { d.Attributes[1].Column = "plz" })
	for want, definition := range map[string]mapping.Definition{
		"table public.gone does not exist": gone,
		`column "plz"`:                     misfit,
	} {
		_, err := agreement.Compare(t.Context(), source, compile(t, definition), held(right()))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one about %q", err, want)
		}
	}
}
