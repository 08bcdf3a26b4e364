package mapping_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

func TestFold(t *testing.T) {
	same := [][]string{
		{"thing\x00bob@example.com\x00", "thing\x00Bob@Example.COM\x00", "thing\x00bob@example.com  \x00", "thing\x00BOB@EXAMPLE.COM\t \u00a0\u3000\x00"},
		{"thing\x00a\x00b\x00", "thing\x00A \x00B \x00"},
		{"thing\x00straße\x00", "thing\x00STRASSE\x00", "thing\x00STRAẞE\x00"},
		{"thing\x00öl\x00", "thing\x00ÖL\x00", "thing\x00Öl \x00"},
		{"thing\x00σας\x00", "thing\x00ΣΑΣ\x00", "thing\x00σασ\x00"},
		{"thing\x00istanbul\x00", "thing\x00İSTANBUL\x00", "thing\x00ISTANBUL\x00", "thing\x00ıstanbul\x00", "thing\x00i\u0307stanbul\x00"},
		{"thing\x00ﬁn\x00", "thing\x00FIN\x00", "thing\x00fin\x00"},
		{"thing\x00ж\x00", "thing\x00Ж\x00"},
		{"thing\x00k\x00", "thing\x00\u212a\x00"},
		{"thing\x00\x00", "thing\x00 \x00"},
		{"thing\x00東京🗼\x00", "thing\x00東京🗼 \x00"},
		{"", " "},
	}
	seen := map[string]string{}
	for _, keys := range same {
		want := mapping.Fold(keys[0])
		for _, key := range keys {
			if got := mapping.Fold(key); got != want {
				t.Errorf("Fold(%q) = %q, and of %q it is %q", key, got, keys[0], want)
			}
		}
		if other, twice := seen[want]; twice {
			t.Errorf("%q and %q are one", keys[0], other)
		}
		seen[want] = keys[0]
	}
	apart := []string{"thing\x00a\x00b\x00", "thing\x00a\x00 b\x00", "thing\x00ab\x00\x00", "thing\x00a b\x00\x00", "thing\x00\x01ta\x00b\x00", "other\x00a\x00b\x00",
		"thing\x00ä\x00b\x00", "thing\x00\xff\x00b\x00", "thing\x00\xfe\x00b\x00", "thing\x00\ufffd\x00b\x00"}
	folded := map[string]string{}
	for _, key := range apart {
		f := mapping.Fold(key)
		if other, twice := folded[f]; twice {
			t.Errorf("%q and %q are one", key, other)
		}
		folded[f] = key
	}
}

// TestFoldEveryCharacter: each character has one form with all others that
// somebody's upper or lower case turns it into.
func TestFoldEveryCharacter(t *testing.T) {
	upper, lower := cases.Upper(language.Und), cases.Lower(language.Und)
	title := cases.Title(language.Und, cases.NoLower)
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || r == 0x20000 { // beyond are signs only, and what is not assigned
			if r == 0x20000 {
				break
			}
			continue
		}
		s := "k\x00x" + string(r) + "x\x00"
		want := mapping.Fold(s)
		if again := mapping.Fold(want); again != want {
			t.Errorf("%U: Fold(Fold) = %q, Fold = %q", r, again, want)
		}
		if unicode.SimpleFold(r) == r && upper.String(string(r)) == string(r) && lower.String(string(r)) == string(r) {
			if want != s && r != 'ı' && r != 'İ' {
				t.Errorf("%U has no case, and becomes %q", r, want)
			}
			continue
		}
		for name, other := range map[string]string{
			"ToUpper": strings.ToUpper(string(r)), "ToLower": strings.ToLower(string(r)), "ToTitle": strings.ToTitle(string(r)),
			"Upper": upper.String(string(r)), "Lower": lower.String(string(r)), "Title": title.String(string(r)), "SimpleFold": string(unicode.SimpleFold(r)),
		} {
			if got := mapping.Fold("k\x00x" + other + "x\x00"); got != want {
				t.Errorf("%U: Fold(%s) = %q, Fold = %q", r, name, got, want)
			}
		}
	}
}

// TestFoldOfEveryByteAtEveryPlace: keys of ASCII are looked at eight bytes at a time.
func TestFoldOfEveryByteAtEveryPlace(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for c := range byte(utf8.RuneSelf) {
				key := []byte("visit\x00abcdefghijklmn")[:length]
				key[at] = c
				var want []string
				for _, value := range strings.Split(string(key), "\x00") {
					want = append(want, strings.TrimRight(strings.ToLower(value), " \t\n\v\f\r"))
				}
				if got := mapping.Fold(string(key)); got != strings.Join(want, "\x00") {
					t.Fatalf("Fold(%q) = %q, want %q", key, got, strings.Join(want, "\x00"))
				}
			}
		}
	}
}

func TestFoldAllocatesNothingForFoldedKeys(t *testing.T) {
	for _, key := range []string{"roadshow\x00123456\x00", "thing\x00bob@example.com\x00", "thing\x00müller\x00", "thing\x00東京\x00", "thing\x00москва\x00"} {
		if n := testing.AllocsPerRun(100, func() { mapping.Fold(key) }); n != 0 {
			t.Errorf("Fold(%q) allocates %v times", key, n)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Bob@Example.com", "straße ", "İi̇ı", "ΣΑΣ", "ŉﬁ", "東京 ", "\xff\xfe", "a\x00 b \x00", "\u0345\u03b1", "Ꭰꭰ", "i\u0307\u0307", "ⅷⓐ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := mapping.Fold(s)
		if again := mapping.Fold(folded); again != folded {
			t.Errorf("%q: Fold = %q, Fold(Fold) = %q", s, folded, again)
		}
		if utf8.ValidString(s) {
			for _, other := range []string{strings.ToUpper(s), strings.ToLower(s), cases.Upper(language.Und).String(s), cases.Lower(language.Und).String(s)} {
				if got := mapping.Fold(other); got != folded {
					t.Errorf("%q: Fold = %q, Fold(%q) = %q", s, folded, other, got)
				}
			}
		}
		if got := mapping.Fold(s + " "); got != folded {
			t.Errorf("%q: Fold = %q, and %q with a blank", s, folded, got)
		}
		if strings.Count(folded, "\x00") != strings.Count(s, "\x00") {
			t.Errorf("%q: Fold = %q has other values", s, folded)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for _, key := range []string{"roadshow\x00123456\x00", "thing\x00Bob@Example.com\x00", "thing\x00müller\x00"} {
		b.Run(strings.ReplaceAll(key, "\x00", "."), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mapping.Fold(key)
			}
		})
	}
}
