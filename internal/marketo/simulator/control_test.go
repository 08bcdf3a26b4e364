package simulator_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// control makes one request to the control API.
func (in *instance) control(method, path, body string) (status int, answer string) {
	in.t.Helper()
	r, err := http.NewRequest(method, in.server.URL+"/_simulator/"+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func TestControlViews(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, RecordKeys: true, RecordHistory: true})
	in.soap("UPSERT", customObj("1", "city", "Bonn"), customObj("2"))
	in.restSync("createOrUpdate", `{"rid":2}`)
	tests := []struct {
		path string
		want []string
	}{
		{"objects", []string{`"name": "RoadShow"`, `"count": 2`}},
		{"objects/roadshow", []string{`"count": 2`, `"key": "1"`, `"city": "Bonn"`, `"key": "2"`}},
		{"objects/RoadShow?key=2", []string{`"key": "2"`}},
		{"objects/RoadShow?limit=1&offset=1", []string{`"key": "2"`}},
		{"history/RoadShow?key=2", []string{`"status": "CREATED"`, `"status": "UNCHANGED"`}},
		{"calls", []string{`"count": 3`, `"id": 1`, `"operation": "token"`, `"keys": [`, `"mode": "UPSERT"`}},
		{"calls?limit=1", []string{`"id": 3`}},
		{"calls?offset=1&limit=1", []string{`"id": 2`}},
		{"stats", []string{`"calls": 3`, `"objects": 3`, `"objects_per_call": 1.5`, `"CREATED": 2`, `"UNCHANGED": 1`, `"violations": {}`, `"RoadShow": 2`, `"soap_today": 1`}},
	}
	for _, test := range tests {
		status, body := in.control("GET", test.path, "")
		for _, want := range test.want {
			if status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: status %d, want %s in %s", test.path, status, want, body)
			}
		}
	}
	if _, body := in.control("GET", "objects/RoadShow?limit=1&offset=1", ""); strings.Contains(body, `"key": "1"`) {
		t.Errorf("a page holds another: %s", body)
	}
}

func TestControlFaults(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	send := func() string { return in.soap("UPSERT", customObj("1")).Code }
	post := func(path, body string, want int) {
		t.Helper()
		if status, answer := in.control("POST", path, body); status != want {
			t.Errorf("POST %s %s: status %d, want %d: %s", path, body, status, want, answer)
		}
	}
	post("faults", `{"code":"20011","times":1}`, 204)
	post("faults", `[{"code":"20014","times":1},{"status":503,"latency":"1ms","times":1}]`, 204)
	if got := []string{send(), send(), send(), send()}; !reflect.DeepEqual(got, []string{"20011", "20014", "", ""}) {
		t.Errorf("codes %q", got)
	}
	if got := in.Stats().Faults; got["http_503"] != 1 {
		t.Errorf("Faults = %v, want one http_503", got)
	}
	if _, body := in.control("GET", "faults", ""); strings.Count(body, `"taken": 1`) != 3 || !strings.Contains(body, `"latency": "1ms"`) {
		t.Errorf("faults: %s", body)
	}
	post("faults", `{"code":"20011"}`, 204)
	if status, _ := in.control("DELETE", "faults", ""); status != 204 || send() != "" {
		t.Errorf("DELETE faults: status %d", status)
	}
	for _, bad := range []string{``, `{`, `{"cod":"1"}`, `{"api":"x"}`, `[{"status":1}]`, `{"code":1}`, `{"code":"1"}{}`} {
		post("faults", bad, 400)
	}
	post("latency", `{"fixed":"1ms","jitter":0.1}`, 204)
	post("latency", `{"fixed":1}`, 400)
	post("latency", `{"fixed":"1ms","jitter":2}`, 400)
	post("limits", `{"calls":1}`, 204)
	if got := send(); got != "20023" {
		t.Errorf("with a limit of one: %q", got)
	}
	post("limits", `{"calls":-1}`, 400)
	post("limits", `{}`, 204)
	post("release", ``, 204)
	post("expire", ``, 204)
	post("reset", ``, 204)
	if stats := in.Stats(); stats.Calls != 0 || in.Count("RoadShow") != 0 {
		t.Errorf("after reset: %+v", stats)
	}
	for _, path := range []string{"nothing", "objects/Other", "stats/x"} {
		if status, _ := in.control("GET", path, ""); status != 404 {
			t.Errorf("GET %s: status %d, want 404", path, status)
		}
	}
	for _, path := range []string{"calls?limit=x", "objects/RoadShow?offset=-1"} {
		if status, _ := in.control("GET", path, ""); status != 400 {
			t.Errorf("GET %s: status %d, want 400", path, status)
		}
	}
}

// The call log is bounded; the counts are not.
func TestCallLogBound(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, MaxCalls: 3})
	for i := range 20 {
		in.soap("UPSERT", customObj(fmt.Sprint(i)))
	}
	calls := in.Calls()
	if len(calls) != 3 || calls[2].ID != 20 || in.Stats().Calls != 20 {
		t.Errorf("%d calls in the log, %d counted", len(calls), in.Stats().Calls)
	}
}
