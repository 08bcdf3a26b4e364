package simulator

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// token is what both XML readers say of a document, comments left out and
// neighbouring text joined.
type token struct {
	Kind, Space, Local, Text string
}

func scanXML(src string) ([]token, error) {
	s, err := newXMLScanner(src)
	if err != nil {
		return nil, err
	}
	var tokens []token
	for {
		if err := s.next(); err != nil {
			return nil, err
		}
		switch s.kind {
		case xmlEOF:
			return tokens, nil
		case xmlStart:
			tokens = append(tokens, token{"start", s.space, s.local, ""})
		case xmlEnd:
			tokens = append(tokens, token{"end", s.space, s.local, ""})
		case xmlText:
			tokens = appendText(tokens, s.text)
		}
	}
}

func appendText(tokens []token, text string) []token {
	if text == "" {
		return tokens
	}
	if last := len(tokens) - 1; last >= 0 && tokens[last].Kind == "text" {
		tokens[last].Text += text
		return tokens
	}
	return append(tokens, token{Kind: "text", Text: text})
}

func standardXML(src string) ([]token, error) {
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(src, "\uFEFF")))
	var tokens []token
	depth := 0
	for {
		next, err := d.Token()
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil {
			return nil, err
		}
		switch next := next.(type) {
		case xml.StartElement:
			depth++
			tokens = append(tokens, token{"start", next.Name.Space, next.Name.Local, ""})
		case xml.EndElement:
			depth--
			tokens = append(tokens, token{"end", next.Name.Space, next.Name.Local, ""})
		case xml.CharData:
			if depth > 0 {
				tokens = appendText(tokens, string(next))
			}
		}
	}
}

// Whatever our scanner accepts, encoding/xml accepts, and reads the same.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		`<a/>`, `<?xml version="1.0" encoding="utf-8"?><a xmlns="u" xmlns:p="v"><p:b c="1" p:d='2'>x&amp;&#x41;<![CDATA[<]]></p:b></a>`,
		"<a>\r\n<!-- c --></a>", "<a><b></a></b>", `<a b="&lt;"/>`, "<a>]]></a>", `<p:a/>`, `<a xmlns:p="u"><p:b/></a>`, `<a:b:c xmlns:a="u"/>`,
		"<é/>", `<a b="1" b="2"/>`, "<a>&#xD;</a>", `<a xmlns:p=""/>`, "\uFEFF<a/>", "<a/><b/>", "<a/>x", "<!DOCTYPE a><a/>", "<a><?p?></a>", "<a b='1'c='2'/>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		got, err := scanXML(src)
		if err != nil {
			return
		}
		want, err := standardXML(src)
		if err != nil {
			// Names beyond ASCII are not looked at closely: see name.
			if strings.Contains(err.Error(), "invalid XML name") {
				return
			}
			t.Fatalf("accepted %q, encoding/xml: %v", src, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q\n got %v\nwant %v", src, got, want)
		}
	})
}

func TestXMLRefusals(t *testing.T) {
	for _, src := range []string{
		"", "x", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a/>x", "<a b=1/>", `<a b="1" b="2"/>`, `<a b="<"/>`, `<a b='1'c='2'/>`,
		"<a>&nbsp;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#-1;</a>", "<a>&amp</a>", "<a>]]></a>", "<p:a/>",
		`<a xmlns:p="u" xmlns:p="v"/>`, `<a xmlns:p=""/>`, `<a xmlns:xml="u"/>`, `<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>`, `<:a/>`, `<a:/>`,
		"<!DOCTYPE a><a/>", "<?p?><a/>", "<a><!-- -- --></a>", "<a><![CDATA[</a>", "<![CDATA[x]]><a/>", `<?xml version="1.1"?><a/>`,
		`<?xml version="1.0" encoding="latin1"?><a/>`, `<?xml encoding="utf-8"?><a/>`, ` <?xml version="1.0"?><a/>`, "<a>\x00</a>", "<a>\uFFFF</a>", "<a>\xff</a>",
		strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), "< a/>", "<a",
	} {
		if tokens, err := scanXML(src); err == nil {
			t.Errorf("%.60q: %v, want an error", src, tokens)
		}
	}
}

// Whatever text we write, encoding/xml reads back.
func FuzzAppendXML(f *testing.F) {
	f.Add("a<b>&\r\n\t\"'")
	f.Fuzz(func(t *testing.T, text string) {
		doc := "<a>" + string(appendXML(nil, text)) + "</a>"
		got, err := standardXML(doc)
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				return 0xFFFD
			}
			return r
		}, text)
		read := ""
		if len(got) == 3 {
			read = got[1].Text
		}
		if read != want {
			t.Errorf("%q became %q, want %q", text, read, want)
		}
	})
}

// Whatever our scanner reads from a record is what encoding/json reads.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"input":[{"a":1,"b":"x\n\u00e9","c":null,"d":true}]}`, `{"input":[ { "a" : [1,{"b":"]"}] , "c" : -1e5 } ] }`, `{"x":{},"input":[]}`, `{"input":[{}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		req := &request{}
		if f := req.parseWrites(body); f != nil {
			return
		}
		var want struct {
			Input []map[string]json.RawMessage `json:"input"`
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("accepted %q, encoding/json: %v", body, err)
		}
		if len(req.objects) != len(want.Input) {
			t.Fatalf("%q: %d records, want %d", body, len(req.objects), len(want.Input))
		}
		for i, object := range req.objects {
			if len(object.attributes) != len(want.Input[i]) {
				t.Fatalf("%q: %d fields, want %d", body, len(object.attributes), len(want.Input[i]))
			}
			for _, a := range object.attributes {
				checkJSONValue(t, a, want.Input[i][a.name])
			}
		}
	})
}

func checkJSONValue(t *testing.T, got attribute, raw json.RawMessage) {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatalf("field %q is not there: %v", got.name, err)
	}
	switch value := value.(type) {
	case nil:
		if got.value != "" || got.structure {
			t.Errorf("null became %+v", got)
		}
	case string:
		if got.value != value {
			t.Errorf("%s became %q", raw, got.value)
		}
	case []any, map[string]any:
		if !got.structure {
			t.Errorf("%s became %+v", raw, got)
		}
	default:
		if got.value != string(raw) {
			t.Errorf("%s became %q", raw, got.value)
		}
	}
}

// Rows hold what was put in, and equal objects have equal rows.
func FuzzRow(f *testing.F) {
	f.Add("a", "", "c", uint8(2))
	f.Fuzz(func(t *testing.T, a, b, c string, more uint8) {
		values := []string{a, strings.Repeat(b, int(more)), c}
		row := appendRow(nil, values)
		got := make([]string, 3+int(more))
		readRow(string(row), got)
		if !reflect.DeepEqual(got[:3], values) {
			t.Errorf("%q became %q", values, got)
		}
		if wider := appendRow(nil, got); string(wider) != string(row) {
			t.Errorf("row %q, written by a wider schema %q", row, wider)
		}
	})
}
