package rest

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/marketotest"
)

// Whatever is Plain is written as it is.
func TestPlain(t *testing.T) {
	marketotest.ShortTexts(func(text string) {
		if marketo.Plain([]byte(text)) && (string(appendJSON(nil, text)) != text) {
			t.Errorf("%q is plain, and is written as %q", text, appendJSON(nil, text))
		}
	})
}

// A record that says nothing of its texts is written as one that knows them to
// be plain.
func TestPlainIsWrittenAsItIs(t *testing.T) {
	for _, text := range []string{"Amsterdam", "", "0"} {
		var bodies [2]string
		for i, known := range []bool{false, true} {
			b := marketotest.Thrice(text, known)
			body, ok := appendBody(nil, b)
			if !ok || restEnvelope+recordSize(b.Objects[0], marketo.Upsert) != len(body)+len(",") {
				t.Fatalf("%q, plain %v: %v, size %d of %d", text, known, ok, recordSize(b.Objects[0], marketo.Upsert), len(body))
			}
			bodies[i] = string(body)
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%q:\n%s\n%s", text, bodies[0], bodies[1])
		}
	}
}
