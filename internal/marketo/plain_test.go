package marketo

import (
	"strings"
	"testing"
)

// checkPlain holds Plain against what it is said to be. That such a text is
// written as it is, is tested where it is written.
func checkPlain(t *testing.T, text string) {
	t.Helper()
	want := strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > 0x7F }) < 0 && !strings.ContainsAny(text, `"&<>\`)
	if got := Plain([]byte(text)); got != want {
		t.Errorf("Plain(%q) is %v, want %v", text, got, want)
	}
}

// Every byte at every place of every short text, beside bytes that could lend
// it one or borrow from it.
func TestPlain(t *testing.T) {
	for n := range 26 {
		for _, around := range []byte{' ', '!', '#', '~', 0x7F} {
			text := []byte(strings.Repeat(string(rune(around)), n))
			checkPlain(t, string(text))
			for at := range text {
				for c := range 256 {
					text[at] = byte(c)
					checkPlain(t, string(text))
				}
				text[at] = around
			}
		}
	}
}

func TestCheck(t *testing.T) {
	shape := &Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}
	for _, tt := range []struct {
		from, to int
		plain    bool
		want     string
	}{
		{24, 27, true, ""},
		{24, 29, false, ""},
		{24, 29, true, "value 1: of kind 2 and said to be plain, which it is not"},
		{24, 30, false, "value 1: no text from 24 to 30 in 29 bytes"},
		{28, 27, false, "value 1: no text from 28 to 27 in 29 bytes"},
	} {
		r := append(Record(nil).Begin(3), "a b<c"...)
		r.Set(1, String, tt.from, tt.to, tt.plain)
		o, got := r.Object(shape), ""
		if err := o.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, text := range []string{"", "Amsterdam", "Zürich & <Basel>", `a "quoted" \ text`, "tab\tand line\n", "\uFFFE", "\xff", "\x7f"} {
		f.Add(text)
	}
	f.Fuzz(checkPlain)
}
