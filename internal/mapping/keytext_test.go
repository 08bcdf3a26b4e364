package mapping_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

func TestKeyText(t *testing.T) {
	for text, values := range map[string][]string{
		"17":             {"17"},
		"a,b":            {"a,b"},
		`["a"]`:          {`["a"]`},
		"17,x":           {"17", "x"},
		",":              {"", ""},
		`["a,b","c"]`:    {"a,b", "c"},
		`["[1","x"]`:     {"[1", "x"},
		`["\"","a,\\b"]`: {`"`, `a,\b`},
		`x,"y`:           {"x", `"y`},
	} {
		columns := []string{"k", "l"}[:len(values)]
		got, err := mapping.ParseKeyText(columns, text)
		if mapping.KeyText(values) != text || err != nil || !slices.Equal(got, values) {
			t.Errorf("%q: written %s, read %q, %v", values, mapping.KeyText(values), got, err)
		}
	}
	for _, text := range []string{"17", "1,2,3", `["1"]`, ""} {
		got, err := mapping.ParseKeyText([]string{"k", "l"}, text)
		if unknown := mapping.Unknown(""); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "no key of k, l: give 2 values") {
			t.Errorf("%s: read %q, %v", text, got, err)
		}
	}
	if got, err := mapping.ParseKeyText([]string{"k", "l"}, "[1,2]"); err != nil || !slices.Equal(got, []string{"[1", "2]"}) {
		t.Errorf("numbers are no array of strings: %q, %v", got, err)
	}
}
