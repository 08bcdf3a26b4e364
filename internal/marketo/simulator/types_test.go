package simulator_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

func TestReadTypes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(path, []byte(`objects:
  - name: RoadShow
    dedupe: [rid]
    fields:
      - {name: rid, type: integer}
      - {name: city, type: string, length: 40}
      - {name: site, type: link}
    link: {field: rid, lead: Id}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := simulator.ReadTypes(path)
	want := []simulator.Type{{Name: "RoadShow", Dedupe: []string{"rid"}, Link: simulator.Link{Field: "rid", Lead: "Id"}, Fields: []simulator.Field{
		{Name: "rid", Type: simulator.Integer}, {Name: "city", Type: simulator.String, Length: 40}, {Name: "site", Type: simulator.URL},
	}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadTypes() = %+v, %v, want %+v", got, err, want)
	}
	if _, err := simulator.ReadTypes(path + "x"); err == nil {
		t.Error("ReadTypes() of a missing file: no error")
	}
}

func TestParseTypesErrors(t *testing.T) {
	const field = "\n    fields: [{name: a, type: string}]"
	tests := []struct{ name, text, want string }{
		{"empty", "", `needs a list "objects"`},
		{"unknown key", "objects:\n  - name: A\n    dedup: [a]" + field, "line 3: field dedup not found"},
		{"not YAML", "objects: [", "yaml:"},
		{"bad name", "objects:\n  - name: A-B\n    dedupe: [a]" + field, `line 2: object name "A-B"`},
		{"no dedupe field", "objects:\n  - name: A" + field, "0 dedupe fields"},
		{"four dedupe fields", "objects:\n  - name: A\n    dedupe: [a,b,c,d]" + field, "4 dedupe fields"},
		{"dedupe field that is none", "objects:\n  - name: A\n    dedupe: [b]" + field, `dedupe field "b"`},
		{"dedupe field twice", "objects:\n  - name: A\n    dedupe: [a, a]" + field, `dedupe field "a"`},
		{"bad field name", "objects:\n  - name: A\n    dedupe: [a]\n    fields: [{name: a b, type: string}]", `field name "a b"`},
		{"field twice", "objects:\n  - name: A\n    dedupe: [a]\n    fields: [{name: a, type: string},{name: a, type: string}]", "field a stands twice"},
		{"unknown type", "objects:\n  - name: A\n    dedupe: [a]\n    fields: [{name: a, type: blob}]", `has type "blob": allowed are [string`},
		{"negative length", "objects:\n  - name: A\n    dedupe: [a]\n    fields: [{name: a, type: string, length: -1}]", "length -1"},
		{"object twice", "objects:\n  - name: A\n    dedupe: [a]" + field + "\n  - name: a\n    dedupe: [a]" + field, "line 5: object a stands twice"},
		{"two mistakes", "objects:\n  - name: A\n  - name: 1", "line 3"},
		{"link of no field", "objects:\n  - name: A\n    dedupe: [a]\n    link: {field: b, lead: Id}" + field, `link: {field: "b"`},
		{"link to nothing", "objects:\n  - name: A\n    dedupe: [a]\n    link: {field: a}" + field, "a field of the lead"},
		{"51 fields", "objects:\n  - name: A\n    dedupe: [a]\n    fields: [" + strings.Repeat("{name: a, type: string},", 51) + "]", "51 fields"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := simulator.ParseTypes([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}
