package simulator_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// The sample of Marketo's documentation, signed as its test vector says.
func TestSOAPSample(t *testing.T) {
	in := start(t, simulator.Options{UserID: "demo17_1_809934544BFABAE58E5D27", SecretKey: "secret", Skew: -1, EchoCase: true})
	request, err := os.ReadFile("testdata/roadshow_request.xml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/roadshow_response.xml")
	if err != nil {
		t.Fatal(err)
	}
	if got := in.post(string(request), syncAction); got.status != 200 || got.body != string(want) {
		t.Errorf("status %d, answer\n%s\nwant\n%s", got.status, got.body, want)
	}
	got := in.Objects("roadshow")
	stored := map[string]map[string]string{"1090177|rid1": {
		"MKTOID": "1090177", "rid": "rid1", "city": "SanMateo", "zip": "94404", "state": "California",
	}}
	if !reflect.DeepEqual(got, stored) {
		t.Errorf("Objects() = %v, want %v", got, stored)
	}
}

func TestSOAPSemantics(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow, RecordHistory: true})
	steps := []struct {
		name, operation string
		objects         []string
		want            string
		city            string // of object 1 afterwards
	}{
		{"insert creates", "INSERT", []string{customObj("1", "city", "Bonn", "visits", "7")}, "CREATED", "Bonn"},
		{"insert skips", "INSERT", []string{customObj("1", "city", "Ulm")}, "SKIPPED", "Bonn"},
		{"update skips what is missing", "UPDATE", []string{customObj("2", "city", "Ulm")}, "SKIPPED", "Bonn"},
		{"update changes", "UPDATE", []string{customObj("1", "city", "Ulm")}, "UPDATED", "Ulm"},
		{"upsert of the same", "UPSERT", []string{customObj("1", "city", "Ulm", "visits", "007")}, "UNCHANGED", "Ulm"},
		{"left out stays", "UPSERT", []string{customObj("1", "visits", "8"), customObj("3")}, "UPDATED CREATED", "Ulm"},
		{"empty clears", "UPSERT", []string{customObj("1", "city", "")}, "UPDATED", ""},
		{"each object for itself", "UPSERT", []string{customObj("x"), customObj("1", "city", "Kiel")}, "FAILED UPDATED", "Kiel"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			answer := in.soap(step.operation, step.objects...)
			if got := answer.statuses(); got != step.want {
				t.Errorf("statuses %q, want %q in %s", got, step.want, answer.body)
			}
			if got := in.Objects("RoadShow")["1"]["city"]; got != step.city {
				t.Errorf("city %q, want %q", got, step.city)
			}
		})
	}
	answer := in.post(envelope(deleteCall("1", "99")), deleteAction)
	if got := answer.statuses(); got != "DELETED UNCHANGED" {
		t.Errorf("delete: statuses %q in %s", got, answer.body)
	}
	if got, want := in.Objects("RoadShow"), map[string]map[string]string{"3": {"rid": "3"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Objects() = %v, want %v", got, want)
	}
	var history []string
	for _, version := range in.History("RoadShow", "1") {
		history = append(history, version.Status+" "+version.Fields["city"])
	}
	want := []string{"CREATED Bonn", "UPDATED Ulm", "UNCHANGED Ulm", "UPDATED Ulm", "UPDATED ", "UPDATED Kiel", "DELETED "}
	if !reflect.DeepEqual(history, want) {
		t.Errorf("History() = %q, want %q", history, want)
	}
}

// What one object can have wrong leaves the others of its call alone.
func TestSOAPObjectErrors(t *testing.T) {
	long := strings.Repeat("ä", 11)
	tests := []struct{ name, object, want string }{
		{"unknown attribute", customObj("1", "nameasdf", "x"), "Unknown name attribute list: nameasdf"},
		{"not an integer", customObj("1", "visits", "x"), "Invalid value 'x'. Required of type 'integer'"},
		{"fraction", customObj("1", "visits", "1.5"), "fraction"},
		{"overflow", customObj("1", "visits", "9223372036854775808"), "overflow"},
		{"not a boolean", customObj("1", "vip", "t"), "Required of type 'boolean'"},
		{"not a date", customObj("1", "day", "2026-02-30"), "Required of type 'date'"},
		{"time without offset", customObj("1", "at", "2026-02-03T04:05:06"), "Required of type 'datetime'"},
		{"time of PostgreSQL", customObj("1", "at", "2026-02-03 04:05:06+00"), "Required of type 'datetime'"},
		{"not a number", customObj("1", "spent", "NaN"), "Required of type 'currency'"},
		{"not an address", customObj("1", "mail", "x"), "Required of type 'email'"},
		{"no scheme", customObj("1", "site", "example.com"), "Required of type 'url'"},
		{"too long", customObj("1", "city", long), "too long"},
		{"too long a text", customObj("1", "note", strings.Repeat("x", 30001)), "too long"},
		{"empty key", customObj(""), "Missing key attribute: rid"},
		{"no key", "<customObj><customObjAttributeList>" + attrs("city", "x") + "</customObjAttributeList></customObj>", "Missing key attribute: rid"},
		{"nothing at all", `<customObj><customObjKeyList xsi:nil="true"/></customObj>`, "Missing key attribute: rid"},
		{"attribute as key", "<customObj><customObjKeyList>" + attrs("rid", "1", "city", "x") + "</customObjKeyList></customObj>", "Not a key attribute: city"},
		{"key as attribute", customObj("1", "rid", "2"), "Key attribute in attribute list: rid"},
		{"attribute twice", customObj("1", "city", "x", "city", "x"), "twice"},
		{"name in another case", customObj("1", "City", "x"), "Unknown name attribute list: City"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			answer := in.soap("UPSERT", test.object, customObj("2", "city", strings.Repeat("ä", 10)))
			if got := answer.statuses(); got != "FAILED CREATED" {
				t.Fatalf("statuses %q in %s", got, answer.body)
			}
			if got := answer.Sync[0].Error; !strings.Contains(got, test.want) {
				t.Errorf("error %q, want %q in it", got, test.want)
			}
			if got := in.Count("RoadShow"); got != 1 {
				t.Errorf("Count() = %d, want 1", got)
			}
		})
	}
}

// replace returns a change of the good message; it must change something.
func replace(old, text string) func(string) string {
	return func(message string) string { return strings.Replace(message, old, text, 1) }
}

const mktowsNamespace = "http://www.marketo.com/mktows/"

// refusals are changes of a good message and the code that each must get.
var refusals = []struct {
	name   string
	change func(string) string
	code   string
}{
	{"child qualified", replace("<objTypeName>RoadShow</objTypeName>", "<m:objTypeName>RoadShow</m:objTypeName>"), "20012"},
	{"child in default namespace", replace("<m:paramsSyncCustomObjects>", `<m:paramsSyncCustomObjects xmlns="`+mktowsNamespace+`">`), "20012"},
	{"header child qualified", replace("<mktowsUserId>"+simulator.DefaultUserID+"</mktowsUserId>", "<m:mktowsUserId>"+simulator.DefaultUserID+"</m:mktowsUserId>"), "20012"},
	{"root unqualified", func(s string) string { return strings.ReplaceAll(s, "m:params", "params") }, "20012"},
	{"namespace without slash", replace(mktowsNamespace, strings.TrimSuffix(mktowsNamespace, "/")), "20012"},
	{"name of the prose", func(s string) string { return strings.ReplaceAll(s, "objTypeName", "objectTypeName") }, "20012"},
	{"list of the prose", func(s string) string { return strings.ReplaceAll(s, "customObjList", "customObjectList") }, "20012"},
	{"operation first", func(s string) string {
		s = strings.Replace(s, "<operation>UPSERT</operation>", "", 1)
		return strings.Replace(s, "<objTypeName>", "<operation>UPSERT</operation><objTypeName>", 1)
	}, "20012"},
	{"value before name", replace("<attrName>city</attrName><attrValue>Bonn</attrValue>", "<attrValue>Bonn</attrValue><attrName>city</attrName>"), "20012"},
	{"type after value", replace("<attrValue>Bonn</attrValue>", "<attrValue>Bonn</attrValue><attrType>string</attrType>"), "20012"},
	{"attributes before keys", func(s string) string {
		keys := "<customObjKeyList>" + attrs("rid", "1") + "</customObjKeyList>"
		s = strings.Replace(s, keys, "", 1)
		return strings.Replace(s, "</customObjAttributeList>", "</customObjAttributeList>"+keys, 1)
	}, "20012"},
	{"unknown element", replace("<operation>", "<extra/><operation>"), "20012"},
	{"element twice", replace("<operation>UPSERT</operation>", "<operation>UPSERT</operation><operation>UPSERT</operation>"), "20012"},
	{"no value", replace("<attrValue>Bonn</attrValue>", ""), "20012"},
	{"value nil", replace("<attrValue>Bonn</attrValue>", `<attrValue xsi:nil="true"/>`), "20012"},
	{"list nil", func(s string) string {
		head, rest, _ := strings.Cut(s, "<customObjList>")
		_, tail, _ := strings.Cut(rest, "</customObjList>")
		return head + `<customObjList xsi:nil="true"/>` + tail
	}, "20012"},
	{"element in a value", replace("Bonn", "<b>Bonn</b>"), "20012"},
	{"text between elements", replace("<customObj>", "x<customObj>"), "20012"},
	{"unknown attribute of an element", replace("<customObj>", `<customObj id="1">`), "20012"},
	{"operation in lower case", replace("UPSERT", "upsert"), "20110"},
	{"operation delete", replace("UPSERT", "DELETE"), "20110"},
	{"unknown object type", replace(">RoadShow<", ">Other<"), "20110"},
	{"no object type", replace(">RoadShow<", "><"), "20109"},
	{"no objects", replace(customObj("1", "city", "Bonn"), ""), "20109"},
	{"101 objects", replace("<customObj>", strings.Repeat("<customObj></customObj>", 100)+"<customObj>"), "20110"},
	{"key twice", replace("</customObjList>", customObj("01")+"</customObjList>"), "20110"},
	{"two calls", replace("<e:Body>", "<e:Body><m:paramsListMObjects/>"), "20012"},
	{"empty body", func(s string) string {
		head, _, _ := strings.Cut(s, "<m:params")
		return head + "</e:Body></e:Envelope>"
	}, "20012"},
	{"SOAP 1.2", replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "20012"},
	{"document type", func(s string) string { return "<!DOCTYPE x>" + s }, "20012"},
	{"processing instruction", func(s string) string { return "<?x y?>" + s }, "20012"},
	{"XML 1.1", func(s string) string { return `<?xml version="1.1"?>` + s }, "20012"},
	{"Latin 1", func(s string) string { return `<?xml version="1.0" encoding="ISO-8859-1"?>` + s }, "20012"},
	{"control character", replace("Bonn", "B\x01nn"), "20012"},
	{"control character by reference", replace("Bonn", "B&#1;nn"), "20012"},
	{"invalid UTF-8", replace("Bonn", "B\xffnn"), "20012"},
	{"entity", replace("Bonn", "B&uuml;nn"), "20012"},
	{"not closed", func(s string) string { return strings.TrimSuffix(s, ">") }, "20012"},
	{"trailing text", func(s string) string { return s + "x" }, "20012"},
	{"second document", func(s string) string { return s + "<x/>" }, "20012"},
	{"no header", func(s string) string {
		head, rest, _ := strings.Cut(s, "<e:Header>")
		_, tail, _ := strings.Cut(rest, "</e:Header>")
		return head + tail
	}, "20014"},
	{"header unqualified", func(s string) string { return strings.ReplaceAll(s, "m:Authentication", "Authentication") }, "20012"},
	{"another user", replace(simulator.DefaultUserID, "other"), "20014"},
	{"signature changed", replace("<requestSignature>", "<requestSignature>0"), "20014"},
	{"header to be understood", replace("<e:Header>", `<e:Header><m:Other e:mustUnderstand="1"/>`), "20012"},
}

// Everything the contract does not allow is refused, and nothing is executed.
func TestSOAPRefusals(t *testing.T) {
	good := envelope(syncCall("UPSERT", customObj("1", "city", "Bonn")))
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			message := test.change(good)
			if message == good {
				t.Fatal("the test changes nothing")
			}
			answer := in.post(message, syncAction)
			if answer.status != 500 || answer.Code != test.code {
				t.Errorf("status %d, code %q, want 500, %q: %s", answer.status, answer.Code, test.code, answer.body)
			}
			if got := in.Count("RoadShow"); got != 0 {
				t.Errorf("Count() = %d, want 0", got)
			}
			if calls := in.Calls(); len(calls) != 1 || calls[0].Fault != test.code {
				t.Errorf("Calls() = %+v, want one with fault %s", calls, test.code)
			}
		})
	}
	in := start(t, simulator.Options{Types: roadShow})
	if answer := in.post("\uFEFF<?xml version='1.0' encoding='utf-8'?><!-- x -->"+good+"<!-- y -->\n", syncAction); answer.statuses() != "CREATED" {
		t.Errorf("the good message: %s", answer.body)
	}
}

// What is asked of the HTTP request.
func TestSOAPTransport(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	tests := []struct {
		name, method, path, contentType, action string
		status                                  int
		code                                    string
	}{
		{"any version", "POST", "/soap/mktows/3_1", "text/xml", syncAction, 200, ""},
		{"unknown version", "POST", "/soap/mktows/1_0", "text/xml", syncAction, 404, ""},
		{"application/xml", "POST", "/soap/mktows/2_3", "application/xml", syncAction, 500, "20012"},
		{"SOAP 1.2", "POST", "/soap/mktows/2_3", "application/soap+xml", syncAction, 500, "20012"},
		{"no type", "POST", "/soap/mktows/2_3", "", syncAction, 500, "20012"},
		{"other charset", "POST", "/soap/mktows/2_3", "text/xml; charset=ISO-8859-1", syncAction, 500, "20012"},
		{"action not quoted", "POST", "/soap/mktows/2_3", "text/xml", strings.Trim(syncAction, `"`), 500, "20012"},
		{"action of another call", "POST", "/soap/mktows/2_3", "text/xml", deleteAction, 500, "20012"},
		{"no action", "POST", "/soap/mktows/2_3", "text/xml", "", 500, "20012"},
		{"GET", "GET", "/soap/mktows/2_3", "text/xml", syncAction, 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequest(test.method, in.server.URL+test.path, strings.NewReader(envelope(syncCall("UPSERT", customObj("1")))))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", test.contentType)
			if test.action != "" {
				r.Header.Set("SOAPAction", test.action)
			}
			if answer := in.send(r); answer.status != test.status || answer.Code != test.code {
				t.Errorf("status %d, code %q, want %d, %q", answer.status, answer.Code, test.status, test.code)
			}
		})
	}
	answer := in.post(envelope(`<m:paramsGetLead/>`), `"http://www.marketo.com/mktows/getLead"`)
	if answer.Code != "20019" {
		t.Errorf("call that does not exist: code %q, want 20019", answer.Code)
	}
}

func TestSOAPTimestamp(t *testing.T) {
	tests := []struct {
		name, layout string
		age          time.Duration
		code         string
	}{
		{"fresh", "2006-01-02T15:04:05-07:00", 0, ""},
		{"14 minutes old", "2006-01-02T15:04:05-07:00", 14 * time.Minute, ""},
		{"16 minutes old", "2006-01-02T15:04:05-07:00", 16 * time.Minute, "20016"},
		{"16 minutes ahead", "2006-01-02T15:04:05-07:00", -16 * time.Minute, "20016"},
		{"offset without colon", "2006-01-02T15:04:05-0700", 0, "20014"},
		{"no offset", "2006-01-02T15:04:05", 0, "20014"},
		{"fraction", "2006-01-02T15:04:05.000-07:00", 0, "20014"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, simulator.Options{Types: roadShow})
			at := time.Now().Add(-test.age).Format(test.layout)
			message := envelope(syncCall("UPSERT", customObj("1")))
			head, rest, _ := strings.Cut(message, "<requestSignature>")
			_, tail, _ := strings.Cut(rest, "</requestTimestamp>")
			message = head + "<requestSignature>" + sign(simulator.DefaultSecretKey, simulator.DefaultUserID, at) +
				"</requestSignature><requestTimestamp>" + at + "</requestTimestamp>" + tail
			if answer := in.post(message, syncAction); answer.Code != test.code {
				t.Errorf("code %q, want %q: %s", answer.Code, test.code, answer.body)
			}
		})
	}
}

// Values come back as they were sent, whatever XML does to them on the way.
func TestSOAPValues(t *testing.T) {
	in := start(t, simulator.Options{})
	for i, value := range []string{" lead and trail ", "a\tb\nc", "a\rb\r\nc", `<&>"']]>`, "Ω 漢字 😀", "\uFFFD", "a|b\\c"} {
		rid := fmt.Sprintf("%d", i)
		if answer := in.soap("UPSERT", customObj(rid, "city", value)); answer.statuses() != "CREATED" {
			t.Fatalf("value %q: %s", value, answer.body)
		}
		if got := in.Objects("RoadShow")[rid]["city"]; got != value {
			t.Errorf("stored %q, want %q", got, value)
		}
	}
	if answer := in.post(envelope(syncCall("UPSERT", customObj("9", "city", "x"))), syncAction); answer.Sync[0].Keys[0] != "9" {
		t.Errorf("key %q, want 9", answer.Sync[0].Keys[0])
	}
	message := strings.Replace(envelope(syncCall("UPSERT", customObj("10", "city", "x"))), ">x<", "><![CDATA[<a>]]><!-- no -->&amp;\r\n<", 1)
	if answer := in.post(message, syncAction); answer.statuses() != "CREATED" {
		t.Fatalf("CDATA: %s", answer.body)
	}
	if got, want := in.Objects("RoadShow")["10"]["city"], "<a>&\n"; got != want {
		t.Errorf("stored %q, want %q", got, want)
	}
}

func TestSOAPGetPages(t *testing.T) {
	in := start(t, simulator.Options{Types: roadShow})
	var objects []string
	for i := range 25 {
		objects = append(objects, customObj(fmt.Sprintf("%d", i), "city", "Bonn", "visits", fmt.Sprintf("%d", i%2)))
	}
	in.soap("UPSERT", objects...)
	seen := map[string]bool{}
	position, pages := "", 0
	for ; pages < 10; pages++ {
		call := "<m:paramsGetCustomObjects><objTypeName>RoadShow</objTypeName><streamPosition>" + position +
			"</streamPosition><batchSize>10</batchSize><includeAttributes/></m:paramsGetCustomObjects>"
		answer := in.post(envelope(call), getAction)
		if answer.status != 200 {
			t.Fatal(answer.body)
		}
		for rid := range 25 {
			if strings.Contains(answer.body, fmt.Sprintf("<attrValue>%d</attrValue></attribute></customObjKeyList>", rid)) {
				seen[fmt.Sprintf("%d", rid)] = true
			}
		}
		position = between(answer.body, "<newStreamPosition>", "</newStreamPosition>")
		if between(answer.body, "<remainingCount>", "</remainingCount>") == "0" {
			break
		}
	}
	if len(seen) != 25 || pages != 2 {
		t.Errorf("%d objects in %d pages, want 25 in 3: %v", len(seen), pages+1, maps.Keys(seen))
	}
	bad := "<m:paramsGetCustomObjects><objTypeName>RoadShow</objTypeName><streamPosition>*</streamPosition><includeAttributes/></m:paramsGetCustomObjects>"
	if answer := in.post(envelope(bad), getAction); answer.Code != "20122" {
		t.Errorf("bad position: code %q, want 20122", answer.Code)
	}
}

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	text, _, _ := strings.Cut(rest, to)
	return text
}
