package mapping_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// people is a table with a column of each kind that expressions tell apart.
func people() *pgoutput.Relation {
	return relation('d',
		column("id", int4OID, true), column("state", textOID, false), column("age", int4OID, false),
		column("amount", numericOID, false), column("vip", boolOID, false), column("seen", timestamptzOID, false),
		column("Odd Name", textOID, false), column("len", textOID, false), column("code", bpcharOID, false),
		column("tags", jsonbOID, false), column("born", dateOID, false), column("photo", byteaOID, false))
}

func TestExpression(t *testing.T) {
	full := row(1, "ny", 41, "12.50", "t", "2024-02-29 12:00:00.5+01", "odd", "l", "ab  ", `{"a": 1}`, "2000-01-02", `\x00`)
	empty := row(1, null, null, null, null, null, null, null, null, null, null, null)
	tests := []struct {
		source, want, wantNull string
	}{
		{`upper(state)`, `x="NY"`, `x=null`},
		{`state`, `x="ny"`, `x=null`},
		{`state ?? "none"`, `x="ny"`, `x="none"`},
		{`state == nil`, `x=false`, `x=true`},
		{`state != "XX"`, `x=true`, `x=true`},
		{`age + 1`, `x=42`, `x=null`},
		{`age / 2`, `x=20.5`, `x=null`},
		{`amount * 2`, `x=25`, `x=null`},
		{`amount * 1e20`, `x=1.25e+21`, `x=null`},
		{`amount / 1e7`, `x=0.00000125`, `x=null`},
		{`vip`, `x=true`, `x=null`},
		{`vip ? "gold" : "basic"`, `x="gold"`, `x=null`},
		{`seen`, `x="2024-02-29T11:00:00+00:00"`, `x=null`},
		{`seen.In(timezone("Asia/Kolkata"))`, `x="2024-02-29T16:30:00+05:30"`, `x=null`},
		{`seen.Year()`, `x=2024`, `x=null`},
		{`string(age) + "/" + string(amount) + "/" + string(seen)`, `x="41/12.5/2024-02-29T11:00:00+00:00"`, `x=null`},
		{`string(amount * 100000)`, `x="1250000"`, `x=null`},
		{`$env["Odd Name"] + "!"`, `x="odd!"`, `x=null`},
		{`len`, `x="l"`, `x=null`},
		{`len(state)`, `x=2`, `x=null`},
		{`code + "|"`, `x="ab|"`, `x=null`},
		{`fromJSON(tags).a`, `x=1`, `x=null`},
		{`let a = age; a > 40 ? "old" : "young"`, `x="old"`, `x=null`},
		{`born`, `x="2000-01-02"`, `x=null`},
		{`state in ["ny", "nj"]`, `x=true`, `x=false`},
		{`nil`, `x=null`, `x=null`},
		{`0.1 + 0.2 > 0.3 ? "a\u0001" : ""`, `problem:characters`, `problem:characters`},
		{`age % 0`, `problem:expression`, `x=null`},
		{`age / 0`, `problem:value`, `x=null`},
		{`fromJSON(tags)`, `problem:expression`, `x=null`},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			rel := people()
			s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "x", Expr: tt.source}}}, rel)
			for _, in := range []struct {
				values []pgoutput.Value
				want   string
			}{{full, tt.want}, {empty, tt.wantNull}, {full, tt.want}} {
				got := showAll(s.Apply(&pgoutput.Change{Relation: rel, New: in.values}, nil))
				if want := "UPSERT rid=1 " + in.want; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

// A column that no expression uses may hold anything, TOAST included.
func TestExpressionUsesOnlyItsColumns(t *testing.T) {
	rel := people()
	s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "x", Expr: "age"}}}, rel)
	now := row(1, unchanged, 41, "NaN", "t", "infinity", unchanged, "", "", "", "", unchanged)
	c := &pgoutput.Change{Relation: rel, Operation: pgoutput.Update, New: now}
	if got, want := showAll(s.Apply(c, nil)), "UPSERT rid=1 x=41"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	now[2].Kind = pgoutput.Unchanged
	if got, want := showAll(s.Apply(c, nil)), "UPSERT rid=1 reread"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExpressionProblemHidesValues(t *testing.T) {
	rel := people()
	for source, in := range map[string][]pgoutput.Value{
		"int(state)": row(1, "secret", 1, 1, "t", "2024-02-29 12:00:00+00", "", "", "", "", "", ""),
		"seen":       row(1, "", 1, 1, "t", "secret", "", "", "", "", "", ""),
	} {
		s := bound(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "x", Expr: source}}}, rel)
		w := s.Apply(&pgoutput.Change{Relation: rel, New: in}, nil)[0]
		if w.Problem == nil || w.Problem.Code != "expression" || !strings.Contains(w.Problem.Message, `attribute "x"`) {
			t.Fatalf("%s: got problem %v", source, w.Problem)
		}
		if strings.Contains(w.Problem.Message, "secret") {
			t.Errorf("%s: %v shows the value", source, w.Problem)
		}
	}
}

// Mistakes that need no table are found by Compile, the others by Bind.
func TestExpressionMistakes(t *testing.T) {
	tests := []struct{ source, compile, bind string }{
		{`state +`, "is no expression: unexpected token EOF (1:7)", ""},
		{`uper(state)`, `calls uper(), which is no function; did you mean "upper"?`, ""},
		{`now()`, "uses now(), which may give another value when a change is delivered again; use columns of the row", ""},
		{`keys($env)`, "uses keys(), which may give another value when a change is delivered again; use columns of the row", ""},
		{`seen.Local()`, `uses Local, which depends on the machine's time zone; write In(timezone("Europe/Berlin"))`, ""},
		{`$env`, `uses $env by itself; write $env["column"]`, ""},
		{`$env[state]`, `uses $env without a fixed name; write $env["column"]`, ""},
		{`state in $env`, `uses $env by itself; write $env["column"]`, ""},
		{`state != null`, "", `uses null, which is no column; write nil for null`},
		{`stat`, "", `column "stat" is not in what the stream sends of "public"."visits"; did you mean "state"?; it has id, state, age, amount, vip, seen, Odd Name, len, code, tags, born, photo. Correct the name, or add the column to the table or to the publication's column list`},
		{`age == "x"`, "", "does not fit the columns: invalid operation: == (mismatched types int and string) (1:5)"},
		{`upper(age)`, "", "does not fit the columns: cannot use int as argument (type string) to call upper (1:7)"},
		{`seen - seen`, "", "gives a duration; write d.Seconds() or string(d)"},
		{`split(state, ",")`, "", "gives a list or a map; write join(…) or toJSON(…)"},
		{`state[0]`, "", "does not fit the columns: type string[int] is undefined (1:6)"},
		{`first(state)`, "", "does not fit the columns: cannot get first element from string (1:1)"},
		{`photo`, "", `column "photo" has type bytea: binary data has no place in a custom object; leave the column out, or add a text column with an encoded form and map that`},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			d := mapping.Definition{Name: "visits", Schema: "public", Table: "visits", Object: "Visit",
				Key: []mapping.Rule{{Attribute: "rid", Column: "id"}}, Attributes: []mapping.Rule{{Attribute: "x", Expr: tt.source}}}
			s, err := mapping.Compile([]mapping.Definition{d})
			if got, want := text(err), in("attributes.x.expr", tt.compile); got != want {
				t.Fatalf("compile: got  %s\nwant %s", got, want)
			}
			if err != nil {
				return
			}
			if got, want := text(s.Bind(people(), nil)), in("attributes.x.expr", tt.bind); got != want {
				t.Errorf("bind: got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestWhereMustBeBoolean(t *testing.T) {
	s := compile(t, mapping.Definition{Where: "age + 1"})
	if got, want := text(s.Bind(people(), nil)), in("where", "gives a int; a condition must be true or false"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	rel := people()
	s = bound(t, mapping.Definition{Where: "fromJSON(tags)"}, rel)
	values := row(1, "", 1, 1, "t", "", "", "", "", "7", "", "")
	if got, want := showAll(s.Apply(&pgoutput.Change{Relation: rel, New: values}, nil)), "UPSERT rid=1 problem:expression"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// in is the error of one mistake in the mapping of these tests.
func in(path, mistake string) string {
	if mistake == "" {
		return ""
	}
	return `mapping "visits": ` + path + ": " + mistake
}
