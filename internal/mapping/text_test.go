package mapping_test

import (
	"testing"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// TestExpressionCountsCharacters: no function takes a character apart.
func TestExpressionCountsCharacters(t *testing.T) {
	const umlauts, cjk, emoji = "Äläßü Öl", "東京都と大阪", "a🙂👩‍🚀b🙂"
	tests := []struct{ source, umlauts, cjk, emoji string }{
		{`name[:3]`, `"Älä"`, `"東京都"`, `"a🙂👩"`},
		{`name[2:]`, `"äßü Öl"`, `"都と大阪"`, "\"👩\u200d🚀b🙂\""},
		{`name[1:3]`, `"lä"`, `"京都"`, `"🙂👩"`},
		{`name[:20]`, `"Äläßü Öl"`, `"東京都と大阪"`, "\"a🙂👩\u200d🚀b🙂\""},
		{`name[30:40] + "|"`, `"|"`, `"|"`, `"|"`},
		{`name[4:2] + "|"`, `"|"`, `"|"`, `"|"`},
		{`name[-2:]`, `"Öl"`, `"大阪"`, `"b🙂"`},
		{`name[:-2]`, `"Äläßü "`, `"東京都と"`, "\"a🙂👩\u200d🚀\""},
		{`name[-99:2]`, `"Äl"`, `"東京"`, `"a🙂"`},
		{`name[:]`, `"Äläßü Öl"`, `"東京都と大阪"`, "\"a🙂👩\u200d🚀b🙂\""},
		{`name[:len(name) - 1]`, `"Äläßü Ö"`, `"東京都と大"`, "\"a🙂👩\u200d🚀b\""},
		{`(name ?? "")[:2]`, `"Äl"`, `"東京"`, `"a🙂"`},
		{`upper(name[:4])[3:] + name[0:1]`, `"ßÄ"`, `"と東"`, "\"\u200da\""},
		{`len(name)`, `8`, `6`, `7`},
		{`indexOf(name, last)`, `6`, `5`, `1`},
		{`lastIndexOf(name, last)`, `6`, `5`, `6`},
		{`indexOf(name, "none")`, `-1`, `-1`, `-1`},
		{`name[indexOf(name, last):]`, `"Öl"`, `"阪"`, "\"🙂👩\u200d🚀b🙂\""},
		{`name[:lastIndexOf(name, last)]`, `"Äläßü "`, `"東京都と大"`, "\"a🙂👩\u200d🚀b\""},
		{`name | indexOf(last)`, `6`, `5`, `1`},
		{`trimSuffix(name, last)`, `"Äläßü "`, `"東京都と大"`, "\"a🙂👩\u200d🚀b\""},
		{`trim(name, "ÄlÖ東🙂a阪")`, `"äßü "`, `"京都と大"`, "\"👩\u200d🚀b\""},
		{`split(name, "")[1]`, `"l"`, `"京"`, `"🙂"`},
		{`join(map(split(name, ""), upper(#)), "-")[:3]`, `"Ä-L"`, `"東-京"`, `"A-🙂"`},
		{`replace(name, last, "x", 1)`, `"Äläßü x"`, `"東京都と大x"`, "\"ax👩\u200d🚀b🙂\""},
		{`repeat(name[:1], 2)`, `"ÄÄ"`, `"東東"`, `"aa"`},
		{`lower(name)[:2]`, `"äl"`, `"東京"`, `"a🙂"`},
		{`name endsWith last && hasSuffix(name, last) && name contains last && name matches "^.{6,8}$"`, `true`, `true`, `true`},
		{`fromJSON(toJSON(name))[:2]`, `"Äl"`, `"東京"`, `"a🙂"`},
		{`fromBase64(toBase64(name))[:2]`, `"Äl"`, `"東京"`, `"a🙂"`},
		{`first(fromJSON(toJSON(name))) + last(fromJSON(toJSON(name)))`, `"Äl"`, `"東阪"`, `"a🙂"`},
		{`get(fromJSON(toJSON(name)), 1)`, `"l"`, `"京"`, `"🙂"`},
		{`fromJSON(toJSON(name))[1]`, `"l"`, `"京"`, `"🙂"`},
		{`fromJSON(toJSON({"a": name})).a[1:2]`, `"l"`, `"京"`, `"🙂"`},
		{`join(filter(fromJSON(toJSON(name)), # != "a"), "")[:1]`, `"Ä"`, `"東"`, `"🙂"`},
		{`[1, 2, 3][1:] == [2, 3]`, `true`, `true`, `true`},
		{`split(name, "")[:2] | join("")`, `"Äl"`, `"東京"`, `"a🙂"`},
	}
	rel := relation('d', column("id", int4OID, true), column("name", textOID, false), column("last", textOID, false))
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			s := compile(t, mapping.Definition{Attributes: []mapping.Rule{{Attribute: "x", Expr: tt.source}}})
			if err := s.Bind(rel, nil); err != nil {
				t.Fatal(err)
			}
			for _, in := range []struct{ name, last, want string }{{umlauts, "Öl", tt.umlauts}, {cjk, "阪", tt.cjk}, {emoji, "🙂", tt.emoji}} {
				w := s.Apply(&pgoutput.Change{Relation: rel, New: row(1, in.name, in.last)}, nil)[0]
				if w.Problem != nil {
					t.Errorf("%q: %v", in.name, w.Problem)
					continue
				}
				v := w.Object.Value(1)
				got := v.Text
				if in.want[0] == '"' {
					got = `"` + got + `"`
				}
				if got != in.want || !utf8.ValidString(got) {
					t.Errorf("%q: got %s, want %s", in.name, got, in.want)
				}
			}
			w := s.Apply(&pgoutput.Change{Relation: rel, New: row(1, null, null)}, nil)[0]
			if w.Problem != nil {
				t.Errorf("null: %v", w.Problem)
			}
		})
	}
}
