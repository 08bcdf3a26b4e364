package soap

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// checkPlain: whatever is Plain is written as it is.
func checkPlain(t *testing.T, text string) {
	t.Helper()
	if marketo.Plain([]byte(text)) && (string(appendXML(nil, text)) != text || !validXML([]byte(text))) {
		t.Errorf("%q is plain, and is written as %q", text, appendXML(nil, text))
	}
}

// Every byte at every place of every short text, beside bytes that could lend
// it one or borrow from it.
func TestPlain(t *testing.T) {
	for n := range 26 {
		for _, around := range []byte{' ', '!', '#', '~', 0x7F} {
			text := []byte(strings.Repeat(string(rune(around)), n))
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

// A record that says nothing of its texts is written as one that knows them to
// be plain.
func TestPlainIsWrittenAsItIs(t *testing.T) {
	shape := &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}
	for _, text := range []string{"Amsterdam", "", "0"} {
		var bodies [2]string
		for i, known := range []bool{false, true} {
			r := marketo.Record(nil).Begin(3)
			for at := range 3 {
				r = append(r, text...)
				r.Set(at, marketo.String, len(r)-len(text), len(r), known)
			}
			b := &marketo.Batch{Type: "RoadShow", Objects: []marketo.Object{r.Object(shape)}}
			body, valid := new(encoder).appendBody(nil, b)
			if !valid {
				t.Fatalf("%q, plain %v: not valid", text, known)
			}
			bodies[i] = string(body)
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%q:\n%s\n%s", text, bodies[0], bodies[1])
		}
	}
}
