package marketo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
)

const emptySuccess = `{"requestId":"x","success":true,"result":[]}`

func TestRESTBodies(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", emptySuccess)}
	c := restAt(t, serve(t, withTokens(rec))+"/rest/")
	for op, path := range map[marketo.Operation]string{
		marketo.Upsert: "POST /rest/v1/customobjects/RoadShow.json",
		marketo.Insert: "POST /rest/v1/customobjects/RoadShow.json",
		marketo.Update: "POST /rest/v1/customobjects/RoadShow.json",
		marketo.Delete: "POST /rest/v1/customobjects/RoadShow/delete.json",
	} {
		t.Run(op.String(), func(t *testing.T) {
			c.Sync(t.Context(), sample(op))
			gotPath, h, body := rec.last()
			golden(t, "rest_"+strings.ToLower(op.String())+".json", body)
			checkHeader(t, h, "Content-Type", "application/json")
			checkHeader(t, h, "Authorization", "Bearer token-canary:sj")
			if gotPath != path {
				t.Errorf("%s, want %s", gotPath, path)
			}
			if !json.Valid([]byte(body)) {
				t.Errorf("not JSON: %s", body)
			}
			if want, got := sizes(c.Capacity(), sample(op)), len(body); got > want || want-got > 40 {
				t.Errorf("Size says %d bytes, the body has %d", want, got)
			}
		})
	}
}

func sizes(c marketo.Capacity, b *marketo.Batch) int {
	n := c.Envelope
	for _, o := range b.Objects {
		n += c.Size(o, b.Operation)
	}
	return n
}

// Size is never too small, whatever the text.
func FuzzRESTSize(f *testing.F) {
	f.Add("a\"\\\n\x01", "ü", uint8(0))
	f.Add("", "", uint8(3))
	var body string
	c, err := rest.New(rest.Config{
		Endpoint: "https://example.com", User: "id", Secret: literally(secret),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			w := &recorder{reply: respond(200, "", emptySuccess)}
			return inProcess(withTokens(w), r, func() {
				if w.calls() > 0 {
					_, _, body = w.last()
				}
			})
		}),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, text string, op uint8) {
		shape := &marketo.Shape{Type: "T", Key: []string{"k" + name}, Attributes: []string{name, "x"}}
		b := &marketo.Batch{Type: "T", Operation: marketo.Operation(op % 4), Objects: []marketo.Object{
			object(shape, str(text), str(name), null),
			object(shape, str(name), omitted, num("1.5")),
		}}
		r := c.Sync(t.Context(), b)
		if r.Fault != nil && r.Fault.Code == "value" {
			return
		}
		if got, most := len(body), sizes(c.Capacity(), b); got > most {
			t.Errorf("the body has %d bytes, Size allows %d:\n%s", got, most, body)
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("not JSON: %s", body)
		}
	})
}

// identity hands out tokens that tell their number.
type identity struct {
	fetched atomic.Int32
	life    int
	same    bool
	accept  func(token string) string // the body for a call with that token
}

func (i *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/identity/oauth/token" {
		_, _ = w.Write([]byte(i.accept(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))))
		return
	}
	n := i.fetched.Add(1)
	if i.same {
		n = 1
	}
	fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":%d}`, n, i.life)
}

func accepts(string) string { return `{"success":true,"result":[{"seq":0,"status":"created"}]}` }

func single() *marketo.Batch {
	b := sample(marketo.Upsert)
	b.Objects = b.Objects[:1]
	return b
}

func TestTokenRequest(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", tokenReply)}
	c := restAt(t, serve(t, rec))
	_ = c.Login(t.Context())
	rec.mu.Lock()
	path, kind, body := rec.paths[0], rec.headers[0].Get("Content-Type"), rec.bodies[0]
	rec.mu.Unlock()
	form, err := url.ParseQuery(body)
	want := url.Values{"grant_type": {"client_credentials"}, "client_id": {"client-id-canary"}, "client_secret": {secret}}
	if err != nil || path != "POST /identity/oauth/token" || kind != "application/x-www-form-urlencoded" || !reflect.DeepEqual(form, want) {
		t.Errorf("%s, %s, %s, want the credentials in the form and nowhere else", path, kind, body)
	}
}

// However many calls start at once, one token is fetched, and kept.
func TestTokenSingleFlight(t *testing.T) {
	id := &identity{life: 3600, accept: accepts}
	c := restAt(t, serve(t, id))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if f := c.Sync(t.Context(), single()).Fault; f != nil {
				t.Errorf("Sync: %v", f)
			}
		})
	}
	wg.Wait()
	if got := id.fetched.Load(); got != 1 {
		t.Errorf("%d tokens were fetched, want 1", got)
	}
}

func TestTokenLife(t *testing.T) {
	for _, tt := range []struct {
		life int
		wait time.Duration
		want int32
	}{
		{3600, 58 * time.Minute, 1},
		{3600, 59 * time.Minute, 2},
		{60, 29 * time.Second, 1},
		{60, 30 * time.Second, 2},
		{1, 0, 1},
		{0, 0, 2},
		{-5, 0, 2},
	} {
		t.Run(fmt.Sprintf("%d seconds, after %v", tt.life, tt.wait), func(t *testing.T) {
			id := &identity{life: tt.life, accept: accepts}
			now := time.Now()
			c, err := rest.New(rest.Config{Endpoint: serve(t, id), User: "id", Secret: literally(secret), Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 2 {
				if f := c.Sync(t.Context(), single()).Fault; f != nil {
					t.Fatalf("Sync: %v", f)
				}
				now = now.Add(tt.wait)
			}
			if got := id.fetched.Load(); got != tt.want {
				t.Errorf("%d tokens were fetched, want %d", got, tt.want)
			}
		})
	}
}

// A token that Marketo does not accept is never used again; the next attempt
// has a new one.
func TestTokenRefused(t *testing.T) {
	for _, code := range []string{`"601"`, "602", `"600"`} {
		t.Run(code, func(t *testing.T) {
			var used sync.Map
			id := &identity{life: 3600, accept: func(token string) string {
				used.Store(token, true)
				if token == "t1" {
					return `{"success":false,"errors":[{"code":` + code + `,"message":"Access token invalid t1 ` + rowValue + `"}]}`
				}
				return accepts(token)
			}}
			c := restAt(t, serve(t, id))
			first := c.Sync(t.Context(), single())
			if first.Fault == nil || first.Fault.Class != marketo.FaultExpired || first.Fault.Code != strings.Trim(code, `"`) {
				t.Fatalf("first call: fault %v, want class expired, code %s", first.Fault, code)
			}
			if second := c.Sync(t.Context(), single()); second.Fault != nil || second.Results[0].Outcome != marketo.Confirmed {
				t.Errorf("second call: %+v, want it confirmed", second)
			}
			if got := id.fetched.Load(); got != 2 {
				t.Errorf("%d tokens were fetched, want 2", got)
			}
		})
	}
}

// The identity service hands out the same token until it expires. One that was
// refused may be good all the same, so it is tried again after pauses that grow.
func TestTokenRefusedAndHandedOutAgain(t *testing.T) {
	now := time.Now()
	var calls atomic.Int32
	var good atomic.Bool
	id := &identity{life: 3600, same: true, accept: func(token string) string {
		calls.Add(1)
		if good.Load() {
			return accepts(token)
		}
		return `{"success":false,"errors":[{"code":"601","message":"Access token invalid"}]}`
	}}
	c, err := rest.New(rest.Config{
		Endpoint: serve(t, id), User: "client-id-canary", Secret: func() (string, error) { return secret, nil },
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if f := c.Sync(t.Context(), single()).Fault; f == nil || f.Class != marketo.FaultExpired {
			t.Fatalf("attempt %d: fault %v, want class expired", n, f)
		}
		for range 3 {
			f := c.Sync(t.Context(), single()).Fault
			if f == nil || f.Class != marketo.FaultRetry || f.RetryAfter != pause*time.Second || f.Code != "601" {
				t.Fatalf("after attempt %d: fault %v, want class retry after %ds", n, f, pause)
			}
		}
		if got := int(calls.Load()); got != n+1 {
			t.Fatalf("the token was used %d times, want %d", got, n+1)
		}
		now = now.Add(pause * time.Second)
	}
	good.Store(true)
	if reply := c.Sync(t.Context(), single()); reply.Fault != nil {
		t.Fatalf("a token that is good again: %v", reply.Fault)
	}
	good.Store(false)
	_ = c.Sync(t.Context(), single())
	if f := c.Sync(t.Context(), single()).Fault; f == nil || f.RetryAfter != time.Second {
		t.Errorf("refused once more after it was good: %v, want a second", f)
	}
}

// Whatever the identity service says, no object was sent, so nothing is of
// unknown outcome and nothing is refused.
func TestTokenFaults(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		class  marketo.FaultClass
		code   string
	}{
		{401, `{"error":"invalid_client","error_description":"` + secret + `"}`, marketo.FaultCredentials, "http_401"},
		{400, `{"error":"unauthorized"}`, marketo.FaultCredentials, "http_400"},
		{404, "", marketo.FaultCredentials, "http_404"},
		{302, "", marketo.FaultCredentials, "redirect"},
		{429, "", marketo.FaultRate, "http_429"},
		{503, "<html>", marketo.FaultRetry, "http_503"},
		{200, "<html>", marketo.FaultRetry, "reply"},
		{200, `{}`, marketo.FaultRetry, "reply"},
		{200, `{"access_token":"a b","expires_in":1}`, marketo.FaultRetry, "reply"},
		{200, `{"access_token":"a\r\nX: y","expires_in":1}`, marketo.FaultRetry, "reply"},
		{200, `{"access_token":"a","access_token":"b","expires_in":1}`, marketo.FaultRetry, "reply"},
		{200, `{"access_token":7}`, marketo.FaultRetry, "reply"},
		{200, tokenReply + "x", marketo.FaultRetry, "reply"},
	} {
		t.Run(fmt.Sprint(tt.status, tt.body), func(t *testing.T) {
			rec := &recorder{reply: respond(tt.status, "application/json", tt.body)}
			r := restAt(t, serve(t, rec)).Sync(t.Context(), single())
			if r.Fault == nil || r.Fault.Class != tt.class || r.Fault.Code != tt.code || r.Results != nil {
				t.Errorf("%+v, fault %v, want class %v, code %s", r.Results, r.Fault, tt.class, tt.code)
			}
			if r.Fault != nil && strings.Contains(r.Fault.Error(), secret) {
				t.Errorf("the fault repeats the secret: %v", r.Fault)
			}
			if rec.calls() != 1 {
				t.Errorf("%d calls, want only the token's", rec.calls())
			}
		})
	}
}

// Who waits for somebody else's token call can still be stopped.
func TestTokenWaitEndsWithContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	c := restAt(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Sync(ctx, single()) })
	<-arrived
	wg.Go(func() {
		if f := c.Sync(ctx, single()).Fault; f == nil || f.Class != marketo.FaultRetry {
			t.Errorf("fault %v, want class retry", f)
		}
	})
	cancel()
	wg.Wait()
}

func TestDescribe(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", `{"requestId":"1","success":true,"result":[{"name":"roadShow_c","displayName":"Road Show","idField":"marketoGUID","dedupeFields":["rid"],"searchableFields":[["rid"],["marketoGUID"]],"relationships":[{"field":"leadID","type":"child","relatedTo":{"object":"Lead","field":"Id"}}],"fields":[
		{"name":"createdAt","displayName":"Created At","dataType":"datetime","updateable":false},
		{"name":"rid","displayName":"RID","dataType":"string","length":255,"updateable":true}]}]}`)}
	got, err := restAt(t, serve(t, withTokens(rec))).Describe(t.Context(), "roadShow_c")
	link := marketo.Link{Field: "leadID"}
	link.RelatedTo.Object, link.RelatedTo.Field = "Lead", "Id"
	want := marketo.Description{Name: "roadShow_c", DisplayName: "Road Show", IDField: "marketoGUID", Links: []marketo.Link{link}, DedupeFields: []string{"rid"}, Fields: []marketo.Field{
		{Name: "createdAt", DataType: "datetime"},
		{Name: "rid", DataType: "string", Length: 255, Updateable: true},
	}}
	if err != nil || !reflect.DeepEqual(got, want) || got.Links[0].Type() != "Lead" {
		t.Errorf("Describe = %+v, %v, want %+v", got, err, want)
	}
	if path, _, body := rec.last(); path != "GET /rest/v1/customobjects/roadShow_c/describe.json" || body != "" {
		t.Errorf("%s with body %q", path, body)
	}
}

func TestList(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", `{"requestId":"1","success":true,"result":[
		{"name":"car_c","displayName":"Car","idField":"marketoGUID","dedupeFields":["vIN"],"relationships":[]},
		{"name":"order_c","displayName":"Order","idField":"marketoGUID","dedupeFields":["id"]}]}`)}
	got, err := restAt(t, serve(t, withTokens(rec))).List(t.Context())
	if err != nil || len(got) != 2 || got[0].Name != "car_c" || got[0].DisplayName != "Car" || got[1].DedupeFields[0] != "id" {
		t.Errorf("List = %+v, %v", got, err)
	}
	if path, _, body := rec.last(); path != "GET /rest/v1/customobjects.json" || body != "" {
		t.Errorf("%s with body %q", path, body)
	}
	rec = &recorder{reply: respond(200, "application/json", `{"success":false,"errors":[{"code":"603","message":"Access denied"}]}`)}
	var f *marketo.Fault
	if _, err := restAt(t, serve(t, withTokens(rec))).List(t.Context()); !errors.As(err, &f) || f.Code != "603" {
		t.Errorf("List = %v, want fault 603", err)
	}
}

func TestDescribeFails(t *testing.T) {
	for _, tt := range []struct {
		body string
		code string // of the fault; "" for an error that is none
	}{
		{`{"success":false,"errors":[{"code":"610","message":"Object not found"}]}`, "610"},
		{`{"success":true,"result":[]}`, ""},
		{`{"success":true,"result":[{"name":7}]}`, "reply"},
		{`{"success":true,"result":[{"name":"a"}]`, "reply"},
	} {
		rec := &recorder{reply: respond(200, "application/json", tt.body)}
		_, err := restAt(t, serve(t, withTokens(rec))).Describe(t.Context(), "x")
		var f *marketo.Fault
		code := ""
		if errors.As(err, &f) {
			code = f.Code
		}
		if err == nil || code != tt.code {
			t.Errorf("%s: %v, want an error with code %q", tt.body, err, tt.code)
		}
	}
}

func TestDependentAssets(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", `{"requestId":"1","success":true,"result":[{"assetType":"Smart Campaign","assetId":3773,"assetName":"Welcome","usedFields":["make","vin"]}]}`)}
	got, err := restAt(t, serve(t, withTokens(rec))).DependentAssets(t.Context(), "car_c")
	if err != nil || len(got) != 1 || got[0].String() != `Smart Campaign "Welcome" (3773)` || len(got[0].UsedFields) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if path, _, _ := rec.last(); path != "GET /rest/v1/customobjects/schema/car_c/dependentAssets.json" {
		t.Errorf("it asked for %s", path)
	}
	rec = &recorder{reply: respond(200, "application/json", `{"requestId":"1","success":false,"errors":[{"code":"616","message":"Invalid subscription type"}]}`)}
	var f *marketo.Fault
	if _, err := restAt(t, serve(t, withTokens(rec))).DependentAssets(t.Context(), "car_c"); !errors.As(err, &f) || f.Code != "616" {
		t.Errorf("a plan without it: %v", err)
	}
}

func TestUsageAndLogin(t *testing.T) {
	rec := &recorder{reply: respond(200, "application/json", `{"requestId":"1","success":true,"result":[{"date":"2026-01-02","total":314,"users":[{"userId":"a@b","count":314}]}]}`)}
	c := restAt(t, serve(t, withTokens(rec)))
	if got, err := c.Usage(t.Context()); got != 314 || err != nil {
		t.Errorf("Usage = %d, %v, want 314", got, err)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Errorf("Login: %v", err)
	}
	if path, _, _ := rec.last(); path != "GET /rest/v1/stats/usage.json" {
		t.Errorf("Login asked for %s", path)
	}
	denied := &recorder{reply: respond(200, "application/json", `{"success":false,"errors":[{"code":"603","message":"Access denied"}]}`)}
	var f *marketo.Fault
	if err := restAt(t, serve(t, withTokens(denied))).Login(t.Context()); !errors.As(err, &f) || f.Class != marketo.FaultCredentials {
		t.Errorf("Login = %v, want a fault of class credentials", err)
	}
}
