package marketo

import (
	"strings"
	"testing"
)

// Whatever is Plain is written as it is, over both APIs; and whatever printable
// ASCII is written as it is, is Plain.
func checkPlain(t *testing.T, text string) {
	t.Helper()
	printable := strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > 0x7F }) < 0
	itself := string(appendXML(nil, text)) == text && string(appendJSON(nil, text)) == text
	if got, want := Plain([]byte(text)), printable && itself && validXML([]byte(text)); got != want {
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
		o, got := r.Object(twoKeys), ""
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

// A record that says nothing of its texts is written as one that knows them to
// be plain.
func TestPlainIsWrittenAsItIs(t *testing.T) {
	for _, text := range []string{"Amsterdam", "", "0"} {
		var bodies [2]string
		for i, known := range []bool{false, true} {
			r := Record(nil).Begin(3)
			for at := range 3 {
				r = append(r, text...)
				r.Set(at, String, len(r)-len(text), len(r), known)
			}
			b := &Batch{Type: "RoadShow", Objects: []Object{r.Object(twoKeys)}}
			soap, valid := new(soapEncoder).appendBody(nil, b)
			rest, ok := appendRESTBody(nil, b)
			if !valid || !ok || restEnvelope+recordSize(b.Objects[0], Upsert) != len(rest)+len(",") {
				t.Fatalf("%q, plain %v: %v, %v, size %d of %d", text, known, valid, ok, recordSize(b.Objects[0], Upsert), len(rest))
			}
			bodies[i] = string(soap) + string(rest)
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%q:\n%s\n%s", text, bodies[0], bodies[1])
		}
	}
}
