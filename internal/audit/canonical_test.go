package audit

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// What is the same has one form: a first look may pass over nothing that the
// second one would report but by its own rules, and suspects nothing in vain.
func TestCanonicalFollowsSame(t *testing.T) {
	texts := []string{
		"", " ", "x", "x ", "X", "0", "-0", "1", "1.0", "1.50", "1.5", "15e-1", "007", "7", "7.0", "9007199254740993", "9007199254740992", "1e20", "100000000000000000000",
		"true", "TRUE", "1", "false", "0", "2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02 00:00:00", "2026-01-02T01:00:00+01:00", "2026-01-02T00:00:00.9Z", "2026-01-02T00:00:01Z",
		"a\r\nb", "a\nb", "null",
	}
	types := []string{"", "string", "text", "integer", "float", "currency", "boolean", "date", "datetime", "email"}
	kinds := []marketo.Kind{marketo.String, marketo.Number, marketo.Boolean}
	same := 0
	for _, dataType := range types {
		for _, a := range texts {
			for _, b := range texts {
				for _, kind := range kinds {
					if !marketo.Same(marketo.Value{Kind: kind, Text: a}, marketo.Value{Kind: marketo.String, Text: b}, dataType) {
						continue
					}
					same++
					x, y := canonical(a, dataType), canonical(b, dataType)
					odd := kind != marketo.String && (dataType == "" || dataType == "string" || dataType == "text" || dataType == "email")
					if x != y && !odd {
						t.Errorf("%q and %q are the same %s, and have the forms %q and %q", a, b, dataType, x, y)
					}
				}
			}
		}
	}
	if same < 500 {
		t.Errorf("only %d were the same", same)
	}
	for _, differ := range [][3]string{{"1", "2", "integer"}, {"x", "y", "string"}, {"07030", "7030", "string"}, {"x", "X", "string"}, {"true", "false", "boolean"}, {"2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z", "datetime"}} {
		if canonical(differ[0], differ[2]) == canonical(differ[1], differ[2]) {
			t.Errorf("%q and %q have one form as %s", differ[0], differ[1], differ[2])
		}
	}
}
