package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// Clients and tools that know nothing of this project.

// A SOAP library that learns everything from our WSDL.
func TestZeep(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import zeep").Run(); err != nil {
		t.Skip("zeep is not installed: apt install python3-zeep")
	}
	in := start(t, simulator.Options{Types: roadShow, Limits: simulator.MarketoLimits()})
	command := exec.Command(python, "testdata/zeep_client.py", in.server.URL+"/soap/mktows/2_3?WSDL", simulator.DefaultUserID, simulator.DefaultSecretKey)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("zeep: %v\n%s", err, stderr.String())
	}
	var got map[string]any
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatal(err)
	}
	city := func(rid, city string) map[string]any {
		fields := map[string]any{"rid": rid}
		if city != "" {
			fields["city"] = city
		}
		return fields
	}
	want := map[string]any{
		"created":   []any{"CREATED", "CREATED"},
		"again":     []any{"UNCHANGED", "UPDATED"},
		"insert":    []any{"SKIPPED", "CREATED"},
		"update":    []any{"UPDATED", "SKIPPED"},
		"default":   []any{"CREATED"},
		"one":       []any{1.0, []any{city("1", "Kö & <B>")}},
		"all":       []any{4.0, []any{city("1", "Kö & <B>"), city("2", ""), city("3", "zz"), city("5", "")}},
		"deleted":   []any{"DELETED", "UNCHANGED"},
		"types":     []any{"RoadShow"},
		"described": []any{"rid", "city", "visits", "vip", "day", "at", "spent", "mail", "site", "note"},
		"fault":     "20014",
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s = %v, want %v", name, got[name], want[name])
		}
	}
	if got := in.Stats().Violations; len(got) != 0 {
		t.Errorf("Violations = %v, want none", got)
	}
}

// Every answer is valid by the schema that the WSDL publishes.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed: apt install libxml2-utils")
	}
	dir := t.TempDir()
	for from, to := range map[string]string{"mktows.xsd": "mktows.xsd", "testdata/envelope.xsd": "envelope.xsd"} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	in := start(t, simulator.Options{Types: roadShow, EchoCase: true})
	message := func(operation, params string) string {
		return in.post(envelope("<m:params"+operation+">"+params+"</m:params"+operation+">"),
			`"http://www.marketo.com/mktows/`+strings.ToLower(operation[:1])+operation[1:]+`"`).body
	}
	answers := map[string]string{
		"created":   in.soap("UPSERT", customObj("1", "city", "a&b"), customObj("2", "nope", "x")).body,
		"unchanged": in.soap("UPSERT", customObj("1")).body,
		"skipped":   in.soap("INSERT", customObj("1")).body,
		"deleted":   in.post(envelope(deleteCall("7", "8")), deleteAction).body,
		"fault":     in.soap("NONE", customObj("1")).body,
		"get":       message("GetCustomObjects", "<objTypeName>RoadShow</objTypeName><includeAttributes/>"),
		"get none":  message("GetCustomObjects", "<objTypeName>RoadShow</objTypeName><customObjKeyList>"+attrs("rid", "9")+"</customObjKeyList><includeAttributes/>"),
		"list":      message("ListMObjects", ""),
		"describe":  message("DescribeMObject", "<objectName>RoadShow</objectName>"),
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(xmllint, "--noout", "--nonet", "--schema", filepath.Join(dir, "envelope.xsd"), "-")
			command.Stdin = strings.NewReader(answer)
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, output, answer)
			}
		})
	}
	response, err := http.Get(in.server.URL + "/soap/mktows/2_7?wsdl")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	command := exec.Command(xmllint, "--noout", "--nonet", "-")
	command.Stdin = response.Body
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("WSDL: %v: %s", err, output)
	}
}

func TestCurl(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	in := start(t, simulator.Options{Types: roadShow})
	curl := func(arguments ...string) (code int, body map[string]any) {
		t.Helper()
		output, err := exec.Command(path, append([]string{"-sS", "--noproxy", "*", "-w", "\n%{http_code}"}, arguments...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v: %s", err, output)
		}
		cut := strings.LastIndexByte(string(output), '\n')
		if _, err := fmt.Sscan(string(output[cut+1:]), &code); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(output[:cut], &body); err != nil {
			t.Fatalf("%s: %v", output, err)
		}
		return code, body
	}
	url := in.server.URL
	code, token := curl("-d", "grant_type=client_credentials", "-d", "client_id="+simulator.DefaultClientID, "-d", "client_secret="+simulator.DefaultClientSecret, url+"/identity/oauth/token")
	if code != 200 || token["token_type"] != "bearer" {
		t.Fatalf("token: %d %v", code, token)
	}
	if code, body := curl(url + "/identity/oauth/token?grant_type=client_credentials&client_id=x&client_secret=y"); code != 401 || body["error"] != "unauthorized" {
		t.Errorf("bad token call: %d %v", code, body)
	}
	bearer := "Authorization: Bearer " + token["access_token"].(string)
	_, body := curl("-H", bearer, "-H", "Content-Type: application/json", "-d", `{"action":"createOrUpdate","input":[{"rid":1},{"rid":2,"x":1}]}`, url+"/rest/v1/customobjects/RoadShow.json")
	if got := fmt.Sprint(body["success"], body["result"]); !strings.Contains(got, "created") || !strings.Contains(got, "1006") {
		t.Errorf("sync: %v", body)
	}
	_, body = curl("-H", bearer, "-d", `{"input":[{"rid":1}]}`, url+"/rest/v1/customobjects/RoadShow.json")
	if got := fmt.Sprint(body["errors"]); !strings.Contains(got, "612") {
		t.Errorf("curl's own content type: %v", body)
	}
	_, body = curl("-H", bearer, "-G", "-d", "filterType=dedupeFields", "-d", "filterValues=1,2", url+"/rest/v1/customobjects/RoadShow.json")
	if result, _ := body["result"].([]any); len(result) != 1 {
		t.Errorf("query: %v", body)
	}
	_, body = curl(url + "/rest/v1/customobjects/RoadShow/describe.json")
	if got := fmt.Sprint(body["errors"]); !strings.Contains(got, "600") {
		t.Errorf("without a token: %v", body)
	}
}
