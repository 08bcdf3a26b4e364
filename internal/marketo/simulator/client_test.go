package simulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// The test's own clients: as plain as can be, so that their mistakes show.

type instance struct {
	*simulator.Simulator
	t      *testing.T
	server *httptest.Server
}

func start(t *testing.T, opts simulator.Options) *instance {
	t.Helper()
	sim := simulator.New(opts)
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return &instance{sim, t, server}
}

var roadShow = []simulator.Type{{
	Name:   "RoadShow",
	Dedupe: []string{"rid"},
	Fields: []simulator.Field{
		{Name: "rid", Type: simulator.Integer},
		{Name: "city", Type: simulator.String, Length: 10},
		{Name: "visits", Type: simulator.Integer},
		{Name: "vip", Type: simulator.Boolean},
		{Name: "day", Type: simulator.Date},
		{Name: "at", Type: simulator.DateTime},
		{Name: "spent", Type: simulator.Currency},
		{Name: "mail", Type: simulator.Email},
		{Name: "site", Type: simulator.URL},
		{Name: "note", Type: simulator.Text},
	},
}}

func sign(secret, user, at string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(at + user))
	return hex.EncodeToString(mac.Sum(nil))
}

// envelope wraps a body element in a signed message.
func envelope(body string) string {
	at := time.Now().Format("2006-01-02T15:04:05-07:00")
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://www.marketo.com/mktows/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Header>` +
		`<m:AuthenticationHeader><mktowsUserId>` + simulator.DefaultUserID + `</mktowsUserId><requestSignature>` +
		sign(simulator.DefaultSecretKey, simulator.DefaultUserID, at) +
		`</requestSignature><requestTimestamp>` + at + `</requestTimestamp></m:AuthenticationHeader>` +
		`</e:Header><e:Body>` + body + `</e:Body></e:Envelope>`
}

// attrs writes name and value pairs as attributes.
func attrs(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("<attribute><attrName>" + pairs[i] + "</attrName><attrValue>")
		_ = xml.EscapeText(&b, []byte(pairs[i+1]))
		b.WriteString("</attrValue></attribute>")
	}
	return b.String()
}

// customObj writes an object with the key rid.
func customObj(rid string, pairs ...string) string {
	return "<customObj><customObjKeyList>" + attrs("rid", rid) + "</customObjKeyList><customObjAttributeList>" +
		attrs(pairs...) + "</customObjAttributeList></customObj>"
}

func syncCall(operation string, objects ...string) string {
	return "<m:paramsSyncCustomObjects><objTypeName>RoadShow</objTypeName><customObjList>" + strings.Join(objects, "") +
		"</customObjList><operation>" + operation + "</operation></m:paramsSyncCustomObjects>"
}

func deleteCall(rids ...string) string {
	var b strings.Builder
	for _, rid := range rids {
		b.WriteString("<keyList>" + attrs("rid", rid) + "</keyList>")
	}
	return "<m:paramsDeleteCustomObjects><objTypeName>RoadShow</objTypeName><customObjKeyLists>" + b.String() +
		"</customObjKeyLists></m:paramsDeleteCustomObjects>"
}

type soapAnswer struct {
	status int
	body   string
	Code   string   `xml:"Body>Fault>detail>serviceException>code"`
	Sync   []status `xml:"Body>successSyncCustomObjects>result>syncCustomObjStatusList>syncCustomObjStatus"`
	Delete []status `xml:"Body>successDeleteCustomObjects>result>deleteCustomObjStatusList>syncCustomObjStatus"`
}

type status struct {
	Type   string   `xml:"objTypeName"`
	Keys   []string `xml:"customObjKeyList>attribute>attrValue"`
	Status string   `xml:"status"`
	Error  string   `xml:"error"`
}

func (a *soapAnswer) statuses() string {
	var words []string
	for _, s := range append(a.Sync, a.Delete...) {
		words = append(words, s.Status)
	}
	return strings.Join(words, " ")
}

// post sends a message as it is.
func (in *instance) post(message, action string) *soapAnswer {
	in.t.Helper()
	r, err := http.NewRequest("POST", in.server.URL+"/soap/mktows/2_3", strings.NewReader(message))
	if err != nil {
		in.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	r.Header.Set("SOAPAction", action)
	return in.send(r)
}

func (in *instance) send(r *http.Request) *soapAnswer {
	in.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	answer := &soapAnswer{status: response.StatusCode, body: string(body)}
	if err := xml.Unmarshal(body, answer); err != nil && response.StatusCode == 200 {
		in.t.Fatalf("answer %q: %v", body, err)
	}
	return answer
}

const (
	syncAction   = `"http://www.marketo.com/mktows/syncCustomObjects"`
	deleteAction = `"http://www.marketo.com/mktows/deleteCustomObjects"`
	getAction    = `"http://www.marketo.com/mktows/getCustomObjects"`
)

func (in *instance) soap(operation string, objects ...string) *soapAnswer {
	in.t.Helper()
	return in.post(envelope(syncCall(operation, objects...)), syncAction)
}

type restAnswer struct {
	status  int
	body    string
	Success bool
	Errors  []reason
	Result  []map[string]any
}

type reason struct{ Code, Message string }

func (a *restAnswer) code() string {
	if len(a.Errors) > 0 {
		return a.Errors[0].Code
	}
	return ""
}

// outcomes lists each record's status, with the code of its reason.
func (a *restAnswer) outcomes() string {
	var words []string
	for _, record := range a.Result {
		word, _ := record["status"].(string)
		if reasons, ok := record["reasons"].([]any); ok {
			word += ":" + reasons[0].(map[string]any)["code"].(string)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (in *instance) token() string {
	in.t.Helper()
	response, err := http.PostForm(in.server.URL+"/identity/oauth/token", map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {simulator.DefaultClientID}, "client_secret": {simulator.DefaultClientSecret},
	})
	if err != nil {
		in.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		in.t.Fatalf("token: status %d, err %v", response.StatusCode, err)
	}
	return answer.Token
}

// rest calls a path under /rest/v1/ with a fresh token.
func (in *instance) rest(method, path, body string) *restAnswer {
	in.t.Helper()
	r, err := http.NewRequest(method, in.server.URL+"/rest/v1/"+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+in.token())
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return in.sendREST(r)
}

func (in *instance) sendREST(r *http.Request) *restAnswer {
	in.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	answer := &restAnswer{status: response.StatusCode, body: string(body)}
	if err := json.Unmarshal(body, answer); err != nil && response.StatusCode == 200 {
		in.t.Fatalf("answer %q: %v", body, err)
	}
	return answer
}

func (in *instance) restSync(action string, records ...string) *restAnswer {
	in.t.Helper()
	return in.rest("POST", "customobjects/RoadShow.json",
		`{"action":"`+action+`","dedupeBy":"dedupeFields","input":[`+strings.Join(records, ",")+`]}`)
}
