package rest

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// both reads an element in both ways, and fails where they differ.
func both(t *testing.T, text string) (usual bool) {
	t.Helper()
	var quick, slow restRecord
	scanned, read := newJSONReader([]byte(text)), newJSONReader([]byte(text))
	from := scanned.pos
	usual = quick.usual(scanned)
	slow.read(read, marketo.Upsert)
	switch {
	case !usual:
		if scanned.pos != from && scanned.err == nil {
			t.Errorf("%q: passed %d bytes that are not of the usual form", text, scanned.pos)
		}
	case read.err != nil || read.pos != scanned.pos || quick.seq != slow.seq || string(quick.status) != string(slow.status) || slow.reasons != 0:
		t.Errorf("%q: %d %q up to %d; the other reader: %d %q up to %d, %v", text, quick.seq, quick.status, scanned.pos, slow.seq, slow.status, read.pos, read.err)
	}
	return usual
}

var elements = map[string]bool{
	record(0, "created"):                                                   true,
	record(299, "updated") + " ,":                                          true,
	record(0, "skipped"):                                                   true,
	record(0, "skipped", reason(`"1004"`)):                                 false,
	`{"seq":1,"status":"","marketoGUID":""}`:                               true,
	`{"seq":01,"status":"created","marketoGUID":"a"}`:                      false,
	`{"seq":-1,"status":"created","marketoGUID":"a"}`:                      false,
	`{"seq":1.5,"status":"created","marketoGUID":"a"}`:                     false,
	`{"seq":1e2,"status":"created","marketoGUID":"a"}`:                     false,
	`{"seq":"1","status":"created","marketoGUID":"a"}`:                     false,
	`{"seq":1234567890123,"status":"created","marketoGUID":"a"}`:           false,
	`{"seq":1,"status":"cre\u0061ted","marketoGUID":"a"}`:                  false,
	`{"seq":1,"status":"created","marketoGUID":"0123456\\"}`:               false,
	"{\"seq\":1,\"status\":\"created\",\"marketoGUID\":\"0123\x1f56789\"}": false,
	"{\"seq\":1,\"status\":\"created\",\"marketoGUID\":\"012345678\n\"}":   false,
	`{"seq":1,"status":"created","marketoGUID":"ä\u00e4"}`:                 false,
	`{"seq":1,"status":"created","marketoGUID":"äöü€"}`:                    true,
	`{"seq":1,"status":"created","marketoGUID":"a","more":1}`:              false,
	`{"seq":1, "status":"created","marketoGUID":"a"}`:                      false,
	`{"seq":1,"status":"created","marketoGUID":"a"`:                        false,
	`{"seq":1,"status":"created","marketoGUID":"a`:                         false,
	`{"seq":1`: false,
	``:         false,
}

func TestElementsOfTheUsualForm(t *testing.T) {
	for text, want := range elements {
		if got := both(t, text); got != want {
			t.Errorf("%q: of the usual form: %v, want %v", text, got, want)
		}
	}
	for n := range 20 { // every place of a word of eight bytes
		for _, bad := range []string{`\t`, "\x00", "\x1f"} {
			both(t, `{"seq":1,"status":"created","marketoGUID":"`+strings.Repeat("a", n)+bad+strings.Repeat("b", 20-n)+`"}`)
		}
		if !isPlain([]byte(strings.Repeat("\x80\xff\x7f \x20", n))) {
			t.Errorf("%d: not plain", n)
		}
		if isPlain([]byte(strings.Repeat("\xff", n) + `\`)) {
			t.Errorf("%d: a backslash is plain", n)
		}
	}
}

func FuzzRESTScan(f *testing.F) {
	for text := range elements {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { both(t, text) })
}
