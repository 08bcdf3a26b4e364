package simulator_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

func TestRESTSemantics(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	steps := []struct {
		name, action string
		records      []string
		want         string
		city         string // of object 1 afterwards
	}{
		{"createOnly creates", "createOnly", []string{`{"rid":1,"city":"Bonn","visits":7}`}, "created", "Bonn"},
		{"createOnly skips", "createOnly", []string{`{"rid":1,"city":"Ulm"}`}, "skipped:1017", "Bonn"},
		{"updateOnly skips what is missing", "updateOnly", []string{`{"rid":2,"city":"Ulm"}`}, "skipped:1013", "Bonn"},
		{"updateOnly changes", "updateOnly", []string{`{"rid":"1","city":"Ulm"}`}, "updated", "Ulm"},
		{"createOrUpdate of the same", "createOrUpdate", []string{`{"rid":1,"city":"Ulm","visits":"7"}`}, "updated", "Ulm"},
		{"left out stays", "createOrUpdate", []string{`{"rid":1,"visits":8}`, `{"rid":3}`}, "updated created", "Ulm"},
		{"null clears", "createOrUpdate", []string{`{"rid":1,"city":null}`}, "updated", ""},
		{"each record for itself", "createOrUpdate", []string{`{"rid":"x"}`, `{"rid":1,"city":"Kiel"}`}, "skipped:1001 updated", "Kiel"},
		{"empty clears", "createOrUpdate", []string{`{"rid":1,"city":""}`}, "updated", ""},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			answer := in.restSync(step.action, step.records...)
			if got := answer.outcomes(); got != step.want {
				t.Errorf("outcomes %q, want %q in %s", got, step.want, answer.body)
			}
			if got := in.Objects("RoadShow")["1"]["city"]; got != step.city {
				t.Errorf("city %q, want %q", got, step.city)
			}
			for i, record := range answer.Result {
				if record["seq"] != float64(i) {
					t.Errorf("seq %v, want %d", record["seq"], i)
				}
			}
		})
	}
	answer := in.rest("POST", "customobjects/RoadShow/delete.json", `{"deleteBy":"dedupeFields","input":[{"rid":1},{"rid":99}]}`)
	if got, want := answer.outcomes(), "deleted skipped:1013"; got != want {
		t.Errorf("delete: outcomes %q, want %q", got, want)
	}
}

func TestRESTRecordErrors(t *testing.T) {
	tests := []struct{ name, record, code string }{
		{"unknown field", `{"rid":1,"nameasdf":"x"}`, "1006"},
		{"no dedupe field", `{"city":"x"}`, "1002"},
		{"null dedupe field", `{"rid":null}`, "1002"},
		{"empty dedupe field", `{"rid":""}`, "1002"},
		{"text in integer", `{"rid":1,"visits":"x"}`, "1001"},
		{"fraction in integer", `{"rid":1,"visits":1.5}`, "1003"},
		{"number in date", `{"rid":1,"day":20260203}`, "1001"},
		{"time without offset", `{"rid":1,"at":"2026-02-03T04:05:06"}`, "1001"},
		{"too long", `{"rid":1,"city":"12345678901"}`, "1003"},
		{"array", `{"rid":1,"city":["x"]}`, "1001"},
		{"object", `{"rid":1,"city":{"a":[1,"]}"]}}`, "1001"},
		{"not a boolean", `{"rid":1,"vip":"t"}`, "1001"},
		{"number in boolean", `{"rid":1,"vip":1}`, "1001"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			answer := in.restSync("createOrUpdate", test.record, `{"rid":2}`)
			if got, want := answer.outcomes(), "skipped:"+test.code+" created"; got != want {
				t.Errorf("outcomes %q, want %q in %s", got, want, answer.body)
			}
		})
	}
}

// Calls that are refused whole, and executed not at all.
func TestRESTRefusals(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"rid":1},`, 301), ",")
	big := `{"input":[{"rid":1,"note":"` + strings.Repeat("x", 1<<20) + `"}]}`
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"unknown object", "POST", "customobjects/Other.json", `{"input":[{"rid":1}]}`, 200, "610"},
		{"double slash", "POST", "customobjects//RoadShow.json", `{"input":[{"rid":1}]}`, 200, "610"},
		{"no suffix", "POST", "customobjects/RoadShow", `{"input":[{"rid":1}]}`, 200, "610"},
		{"unknown path", "GET", "leads.json", "", 200, "610"},
		{"unknown action of a path", "POST", "customobjects/RoadShow/merge.json", `{"input":[{"rid":1}]}`, 200, "610"},
		{"PUT", "PUT", "customobjects/RoadShow.json", `{"input":[{"rid":1}]}`, 200, "605"},
		{"GET of delete", "GET", "customobjects/RoadShow/delete.json", "", 200, "605"},
		{"not JSON", "POST", "customobjects/RoadShow.json", `{"input":[{"rid":1}]`, 200, "609"},
		{"not UTF-8", "POST", "customobjects/RoadShow.json", "{\"input\":[{\"rid\":\"\xff\"}]}", 200, "609"},
		{"two documents", "POST", "customobjects/RoadShow.json", `{"input":[{"rid":1}]}{}`, 200, "609"},
		{"array", "POST", "customobjects/RoadShow.json", `[{"rid":1}]`, 200, "609"},
		{"member twice", "POST", "customobjects/RoadShow.json", `{"input":[{"rid":1}],"input":[{"rid":1}]}`, 200, "609"},
		{"field twice", "POST", "customobjects/RoadShow.json", `{"input":[{"rid":1,"city":"a","city":"b"}]}`, 200, "609"},
		{"unknown member", "POST", "customobjects/RoadShow.json", `{"operation":"x","input":[{"rid":1}]}`, 200, "709"},
		{"SOAP's operation", "POST", "customobjects/RoadShow.json", `{"action":"UPSERT","input":[{"rid":1}]}`, 200, "709"},
		{"by id", "POST", "customobjects/RoadShow.json", `{"dedupeBy":"idField","input":[{"rid":1}]}`, 200, "709"},
		{"no input", "POST", "customobjects/RoadShow.json", `{"action":"createOnly"}`, 200, "701"},
		{"empty input", "POST", "customobjects/RoadShow.json", `{"input":[]}`, 200, "701"},
		{"input of numbers", "POST", "customobjects/RoadShow.json", `{"input":[1]}`, 200, "709"},
		{"301 records", "POST", "customobjects/RoadShow.json", `{"input":[` + many + `]}`, 200, "709"},
		{"over 1 MB", "POST", "customobjects/RoadShow.json", big, 413, ""},
		{"delete with an action", "POST", "customobjects/RoadShow/delete.json", `{"action":"createOnly","input":[{"rid":1}]}`, 200, "709"},
		{"long URI", "GET", "customobjects/RoadShow.json?filterType=rid&filterValues=" + strings.Repeat("1,", 4200), "", 414, ""},
		{"no filter", "GET", "customobjects/RoadShow.json", "", 200, "701"},
		{"other filter", "GET", "customobjects/RoadShow.json?filterType=city&filterValues=x", "", 200, "709"},
		{"no values", "GET", "customobjects/RoadShow.json?filterType=rid", "", 200, "701"},
		{"unknown field asked for", "GET", "customobjects/RoadShow.json?filterType=rid&filterValues=1&fields=x", "", 200, "1006"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			answer := in.rest(test.method, test.path, test.body)
			if answer.status != test.status || answer.code() != test.code || answer.Success {
				t.Errorf("status %d, code %q, want %d, %q: %.300s", answer.status, answer.code(), test.status, test.code, answer.body)
			}
			if got := in.Count("RoadShow"); got != 0 {
				t.Errorf("Count() = %d, want 0", got)
			}
		})
	}
}

func TestRESTContentType(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	for contentType, code := range map[string]string{"": "612", "text/plain": "612", "application/json; charset=UTF-8": "", "application/json;charset=latin1": "612"} {
		r, err := http.NewRequest("POST", in.server.URL+"/rest/v1/customobjects/RoadShow.json", strings.NewReader(`{"input":[{"rid":1}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+in.token())
		r.Header.Set("Content-Type", contentType)
		if got := in.sendREST(r).code(); got != code {
			t.Errorf("content type %q: code %q, want %q", contentType, got, code)
		}
	}
}

func TestRESTDuplicates(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	answer := in.restSync("createOrUpdate", `{"rid":1,"city":"a"}`, `{"rid":2}`, `{"rid":"01","city":"b"}`)
	if got, want := answer.outcomes(), "skipped:1036 created skipped:1036"; got != want {
		t.Errorf("outcomes %q, want %q", got, want)
	}
	if got := in.Stats().Violations; !reflect.DeepEqual(got, map[string]int{simulator.ViolationDuplicate: 1}) {
		t.Errorf("Violations = %v, want one duplicate", got)
	}
}

func TestRESTToken(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, TokenLife: time.Hour})
	token := in.token()
	if again := in.token(); again != token {
		t.Errorf("a second token, want the same until it expires")
	}
	ask := func(header, path string) string {
		r, err := http.NewRequest("GET", in.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		return in.sendREST(r).code()
	}
	in.ExpireTokens()
	fresh := in.token()
	tests := []struct{ name, header, path, code string }{
		{"no token", "", "/rest/v1/stats/usage.json", "600"},
		{"parameter", "", "/rest/v1/stats/usage.json?access_token=" + fresh, "600"},
		{"parameter beside a good header", "Bearer " + fresh, "/rest/v1/stats/usage.json?access_token=" + fresh, "600"},
		{"other scheme", "Basic " + fresh, "/rest/v1/stats/usage.json", "600"},
		{"unknown", "Bearer x", "/rest/v1/stats/usage.json", "601"},
		{"expired", "Bearer " + token, "/rest/v1/stats/usage.json", "602"},
		{"good", "Bearer " + fresh, "/rest/v1/stats/usage.json", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := ask(test.header, test.path); got != test.code {
				t.Errorf("code %q, want %q", got, test.code)
			}
		})
	}
	for query, status := range map[string]int{
		"grant_type=client_credentials&client_id=" + simulator.DefaultClientID + "&client_secret=" + simulator.DefaultClientSecret: 200,
		"grant_type=client_credentials&client_id=" + simulator.DefaultClientID + "&client_secret=x":                                401,
		"grant_type=password": 400,
	} {
		response, err := http.Get(in.server.URL + "/identity/oauth/token?" + query)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("token with %.30s: status %d, want %d", query, response.StatusCode, status)
		}
	}
}

// A tiny life makes every token expire at once.
func TestRESTTokenExpires(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, TokenLife: time.Nanosecond})
	if got := in.rest("GET", "stats/usage.json", "").code(); got != "602" {
		t.Errorf("code %q, want 602", got)
	}
}

func TestRESTReads(t *testing.T) {
	in := start(t, simulator.Options{Types: append(roadShow, simulator.Type{
		Name: "Visit_c", Dedupe: []string{"a", "b"},
		Fields: []simulator.Field{{Name: "a", Type: simulator.String}, {Name: "b", Type: simulator.Integer}},
	})})
	in.restSync("createOrUpdate", `{"rid":1,"city":"Bonn","visits":3,"vip":true,"site":"http://x.example/"}`, `{"rid":2}`)
	in.rest("POST", "customobjects/visit_c.json", `{"input":[{"a":"x|y","b":2},{"a":"x","b":3}]}`)
	if got := in.Objects("Visit_c")[simulator.Key("x|y", "2")]; got == nil {
		t.Errorf("Objects() = %v, want a key %q", in.Objects("Visit_c"), simulator.Key("x|y", "2"))
	}

	record := in.rest("GET", "customobjects/RoadShow.json?filterType=dedupeFields&filterValues=1,9&fields=city,visits,vip,note", "").Result
	if len(record) != 1 || record[0]["city"] != "Bonn" || record[0]["visits"] != 3.0 || record[0]["vip"] != true || record[0]["marketoGUID"] == nil {
		t.Errorf("query = %v", record)
	}
	if _, ok := record[0]["note"]; ok {
		t.Errorf("query has a null field: %v", record)
	}
	body := `{"filterType":"dedupeFields","fields":["b"],"batchSize":300,"input":[{"a":"x","b":3},{"a":"q","b":3}]}`
	if got := in.rest("POST", "customobjects/Visit_c.json?_method=GET", body).Result; len(got) != 1 || got[0]["b"] != 3.0 {
		t.Errorf("query by compound key = %v", got)
	}

	described := in.rest("GET", "customobjects/RoadShow/describe.json", "").Result[0]
	if !reflect.DeepEqual(described["dedupeFields"], []any{"rid"}) || described["idField"] != "marketoGUID" {
		t.Errorf("describe = %v", described)
	}
	if got := in.rest("GET", "customobjects/schema/RoadShow/dependentAssets.json", ""); got.Success || got.Errors[0].Code != "616" {
		t.Errorf("dependent assets without a plan that has them: %+v", got)
	}
	types := map[string]string{}
	for _, f := range described["fields"].([]any) {
		field := f.(map[string]any)
		types[field["name"].(string)] = fmt.Sprint(field["dataType"], " ", field["length"], " ", field["updateable"])
	}
	for name, want := range map[string]string{"rid": "integer <nil> false", "city": "string 10 true", "site": "link 255 true", "marketoGUID": "string 36 false"} {
		if types[name] != want {
			t.Errorf("field %s is %q, want %q", name, types[name], want)
		}
	}
	if got := in.rest("GET", "customobjects.json?names=visit_c", "").Result; len(got) != 1 || got[0]["name"] != "Visit_c" {
		t.Errorf("list = %v", got)
	}
	if got := in.rest("GET", "stats/usage.json", "").Result[0]["total"]; got != 7.0 {
		t.Errorf("usage total = %v, want 7", got)
	}
}

// The same row written over either API ends in the same stored state.
func TestSameStateFromBothAPIs(t *testing.T) {
	for name, types := range map[string][]simulator.Type{"given": roadShow, "learnt": nil} {
		t.Run(name, func(t *testing.T) {
			soap := start(t, simulator.Options{Types: types})
			rest := start(t, simulator.Options{Types: types, Dedupe: map[string][]string{"RoadShow": {"rid"}}})
			soap.soap("UPSERT", customObj("7", "city", "Köln", "visits", "12", "vip", "true", "day", "2026-02-03",
				"at", "2026-02-03T04:05:06+01:00", "spent", "10.5", "mail", ""))
			answer := rest.restSync("createOrUpdate", `{"rid":7,"city":"K\u00f6ln","visits":12,"vip":true,"day":"2026-02-03",`+
				`"at":"2026-02-03T04:05:06+01:00","spent":10.5,"mail":null}`)
			if answer.outcomes() != "created" {
				t.Fatal(answer.body)
			}
			if a, b := soap.Objects("RoadShow"), rest.Objects("RoadShow"); !reflect.DeepEqual(a, b) || len(a) != 1 {
				t.Errorf("SOAP %v, REST %v", a, b)
			}
		})
	}
	in := start(t, simulator.Options{Types: roadShow})
	in.soap("UPSERT", customObj("7", "at", "2026-02-03T04:05:06.9+01:00", "spent", "10.50", "vip", "1"))
	in.restSync("createOrUpdate", `{"rid":"007","at":"2026-02-03T03:05:06Z","spent":10.5,"vip":true}`)
	want := map[string]map[string]string{"7": {"rid": "7", "at": "2026-02-03T03:05:06Z", "spent": "10.5", "vip": "true"}}
	if got := in.Objects("RoadShow"); !reflect.DeepEqual(got, want) {
		t.Errorf("Objects() = %v, want %v", got, want)
	}
}

func TestLearning(t *testing.T) {
	in := start(t, simulator.Options{Dedupe: map[string][]string{"Visit_c": {"a", "b"}}})
	if got := in.rest("POST", "customobjects/RoadShow.json", `{"input":[{"rid":1}]}`).code(); got != "610" {
		t.Errorf("REST type without dedupe fields: code %q, want 610", got)
	}
	if got := in.rest("POST", "customobjects/Visit_c.json", `{"input":[{"a":1,"b":2,"new":"x"}]}`).outcomes(); got != "created" {
		t.Errorf("REST type with dedupe fields: %q", got)
	}
	in.soap("UPSERT", customObj("1", "city", "x"))
	if got := in.restSync("updateOnly", `{"rid":1,"more":true}`).outcomes(); got != "updated" {
		t.Errorf("type learnt over SOAP: %q", got)
	}
	want := map[string]map[string]string{"1": {"rid": "1", "city": "x", "more": "true"}}
	if got := in.Objects("RoadShow"); !reflect.DeepEqual(got, want) {
		t.Errorf("Objects() = %v, want %v", got, want)
	}
	if got := in.soap("UPSERT", customObj("1", "no good", "x")).statuses(); got != "FAILED" {
		t.Errorf("name that no field can have: %q, want FAILED", got)
	}
	in.Reset()
	if got := in.Count("RoadShow"); got != 0 || len(in.Calls()) != 0 {
		t.Errorf("after Reset: %d objects, %d calls", got, len(in.Calls()))
	}
}

// The guid of an object stays, and no other object has it.
func TestGUID(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	first := in.restSync("createOrUpdate", `{"rid":1}`, `{"rid":2}`).Result
	again := in.restSync("createOrUpdate", `{"rid":2}`, `{"rid":1}`).Result
	if first[0]["marketoGUID"] != again[1]["marketoGUID"] || first[0]["marketoGUID"] == first[1]["marketoGUID"] {
		t.Errorf("guids %v, then %v", first, again)
	}
}
