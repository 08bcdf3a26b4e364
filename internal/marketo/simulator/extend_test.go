package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

const oneField = `objects: [{name: Road, dedupe: [rid], fields: [{name: rid, type: integer}, {name: city, type: string}]}]`

// TestExtend: a type gets fields, and the instance types, while it runs; anything else is
// refused, and changes nothing.
func TestExtend(t *testing.T) {
	types, err := simulator.ParseTypes([]byte(oneField))
	if err != nil {
		t.Fatal(err)
	}
	sim := simulator.New(simulator.Options{Types: types})
	post := func(body string) (int, string) {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/_simulator/objects", strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	shown := func() string {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_simulator/objects", nil))
		return strings.Join(strings.Fields(w.Body.String()), " ")
	}
	for body, want := range map[string]string{
		`objects: [{name: Road, dedupe: [rid], fields: [{name: rid, type: integer}]}]`:                                         "field city is missing",
		`objects: [{name: Road, dedupe: [rid], fields: [{name: rid, type: integer}, {name: city, type: text}]}]`:               "field city is missing or another one",
		`objects: [{name: Road, dedupe: [city], fields: [{name: rid, type: integer}, {name: city, type: string}]}]`:            "other dedupe fields",
		`objects: [{name: Road, keys: fold, dedupe: [rid], fields: [{name: rid, type: integer}, {name: city, type: string}]}]`: "other dedupe fields or keys",
		`objects: [{name: Other, dedupe: [rid], fields: [{name: rid, type: integer}, {name: more, type: string}]}]`:            "object Road is missing",
		`objects: [{name: Road, dedupe: [rid], fields: [{name: rid, type: wrong}]}]`:                                           "allowed are",
	} {
		if code, said := post(body); code != 400 || !strings.Contains(said, want) || !strings.Contains(shown(), `"fields": [ "rid", "city" ]`) || strings.Contains(shown(), "Other") {
			t.Errorf("%s: %d %q, want %q; then %s", body, code, said, want, shown())
		}
	}
	more := `objects: [{name: Other, dedupe: [rid], fields: [{name: rid, type: integer}]}, {name: Road, dedupe: [rid], fields: [{name: vip, type: boolean}, {name: rid, type: integer}, {name: city, type: string}]}]`
	for _, fields := range []string{`"rid", "city", "vip"`, `"vip", "rid", "city"`} { // an empty instance has them as the file does
		if code, said := post(more); code != 204 || !strings.Contains(shown(), `"fields": [ `+fields+` ]`) || !strings.Contains(shown(), "Other") {
			t.Errorf("more: %d %q, then %s", code, said, shown())
		}
		sim.Reset()
	}
	learning := simulator.New(simulator.Options{})
	if err := learning.Extend(types); err == nil || !strings.Contains(err.Error(), "learns") {
		t.Errorf("an instance that learns: %v", err)
	}
}
