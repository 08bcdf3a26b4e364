package marketo_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

const listReply = `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body><ns1:successListMObjects><result><objects>ActivityRecord</objects></result></ns1:successListMObjects></SOAP-ENV:Body></SOAP-ENV:Envelope>`

// Every body has exactly the bytes it should have, and validates against the
// schema.
func TestSOAPBodies(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	c := soapAt(t, serve(t, rec)+"/soap/mktows/2_3")
	for _, op := range []marketo.Operation{marketo.Upsert, marketo.Insert, marketo.Update, marketo.Delete} {
		t.Run(op.String(), func(t *testing.T) {
			c.Sync(t.Context(), sample(op))
			path, h, body := rec.last()
			name := "soap_" + strings.ToLower(op.String()) + ".xml"
			golden(t, name, body)
			validate(t, filepath.Join("testdata", name))
			action := `"http://www.marketo.com/mktows/syncCustomObjects"`
			if op == marketo.Delete {
				action = `"http://www.marketo.com/mktows/deleteCustomObjects"`
			}
			checkHeader(t, h, "Soapaction", action)
			checkHeader(t, h, "Content-Type", "text/xml; charset=UTF-8")
			if path != "POST /soap/mktows/2_3" {
				t.Errorf("path %q", path)
			}
		})
	}
	t.Run("login", func(t *testing.T) {
		if err := c.Login(t.Context()); err != nil {
			t.Errorf("Login: %v", err)
		}
		_, h, body := rec.last()
		golden(t, "soap_login.xml", body)
		validate(t, "testdata/soap_login.xml")
		checkHeader(t, h, "Soapaction", `"http://www.marketo.com/mktows/listMObjects"`)
	})
}

func checkHeader(t *testing.T, h http.Header, name, want string) {
	t.Helper()
	if got := h.Get(name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
	if h.Get("Idempotency-Key") != "" || h.Get("X-Idempotency-Key") != "" {
		t.Errorf("an idempotency key, with which net/http repeats a POST by itself")
	}
}

func validate(t *testing.T, file string) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	out, err := exec.CommandContext(t.Context(), xmllint, "--nonet", "--noout", "--schema", "testdata/envelope.xsd", file).CombinedOutput()
	if err != nil {
		t.Errorf("%s does not validate: %v\n%s", file, err, out)
	}
}

// The schema must be able to fail: an operation in front is refused.
func TestSOAPSchemaCatches(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed")
	}
	body, err := os.ReadFile("testdata/soap_upsert.xml")
	if err != nil {
		t.Fatal(err)
	}
	const operation = "<operation>UPSERT</operation>"
	bad := strings.Replace(string(body), operation, "", 1)
	bad = strings.Replace(bad, "<objTypeName>", operation+"<objTypeName>", 1)
	file := filepath.Join(t.TempDir(), "bad.xml")
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if exec.CommandContext(t.Context(), "xmllint", "--nonet", "--noout", "--schema", "testdata/envelope.xsd", file).Run() == nil {
		t.Errorf("a body with the operation in front validates")
	}
}

// A secret that was replaced is used by the next attempt.
func TestSOAPSecretPerAttempt(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	secrets := []string{"secret", "second", ""}
	c, err := soap.New(soap.Config{
		Endpoint: serve(t, rec), User: userID,
		Secret: func() (string, error) {
			s := secrets[0]
			secrets = secrets[1:]
			return s, nil
		},
		Now: func() time.Time { return time.Date(2013, 8, 20, 10, 26, 7, 0, time.FixedZone("", -7*3600)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.Login(t.Context())
	_, _, first := rec.last()
	_ = c.Login(t.Context())
	_, _, second := rec.last()
	if want := "<requestSignature>b496c55eddef646b26f318122549eda6b495d4e0</requestSignature><requestTimestamp>2013-08-20T10:26:07-07:00</requestTimestamp>"; !strings.Contains(first, want) {
		t.Errorf("first body lacks %s:\n%s", want, first)
	}
	if first == second {
		t.Errorf("the second attempt was signed with the first secret")
	}
	var f *marketo.Fault
	if err := c.Login(t.Context()); !errors.As(err, &f) || f.Class != marketo.FaultCredentials || f.Code != "secret" {
		t.Errorf("with an empty secret: %v, want a fault of class credentials", err)
	}
	if rec.calls() != 2 {
		t.Errorf("%d calls, want 2: none without a secret", rec.calls())
	}
}

// Attempts of one second share a signature, those of two seconds do not.
func TestSOAPSignatureOfASecond(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	now := time.Date(2013, 8, 20, 10, 26, 7, 0, time.UTC)
	c, err := soap.New(soap.Config{
		Endpoint: serve(t, rec), User: userID, Secret: literally(secret),
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var bodies []string
	for _, step := range []time.Duration{0, 999 * time.Millisecond, time.Millisecond, -time.Second} {
		now = now.Add(step)
		_ = c.Login(t.Context())
		_, _, body := rec.last()
		if want := "<requestTimestamp>" + now.Format("2006-01-02T15:04:05") + "+00:00<"; !strings.Contains(body, want) {
			t.Errorf("at %s the body lacks %s:\n%s", now, want, body)
		}
		bodies = append(bodies, body)
	}
	if bodies[0] != bodies[1] || bodies[1] == bodies[2] || bodies[3] != bodies[0] {
		t.Errorf("signatures do not follow the clock:\n%s", strings.Join(bodies, "\n"))
	}
}

func TestNewSOAPRefuses(t *testing.T) {
	good := soap.Config{Endpoint: "https://123-ABC-456.mktoapi.com/soap/mktows/2_3", User: userID, Secret: literally(secret)}
	if _, err := soap.New(good); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	for name, change := range map[string]func(*soap.Config){
		"no user":   func(c *soap.Config) { c.User = "" },
		"no secret": func(c *soap.Config) { c.Secret = nil },
		"endpoint":  func(c *soap.Config) { c.Endpoint = "" },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := soap.New(c); err == nil {
				t.Errorf("no error")
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"https://123-ABC-456.mktorest.com":        true,
		"https://123-ABC-456.mktorest.com/rest/":  true,
		"http://127.0.0.1:8080":                   true,
		"http://[::1]:8080/rest":                  true,
		"http://localhost:8080":                   true,
		"http://example.com":                      false,
		"http://10.0.0.1":                         false,
		"ftp://example.com":                       false,
		"example.com":                             false,
		"https://":                                false,
		"https://user:" + secret + "@example.com": false,
		"https://example.com?WSDL":                false,
		"https://example.com?":                    false,
		"https://example.com#":                    false,
		"https://example.com/%zz" + secret:        false,
		"":                                        false,
	} {
		_, restErr := rest.New(rest.Config{Endpoint: endpoint, User: "id", Secret: literally(secret)})
		_, soapErr := soap.New(soap.Config{Endpoint: endpoint, User: "id", Secret: literally(secret)})
		for _, err := range []error{restErr, soapErr} {
			if (err == nil) != ok {
				t.Errorf("endpoint %q: %v, want accepted=%v", endpoint, err, ok)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("endpoint %q: the error repeats the secret: %v", endpoint, err)
			}
		}
	}
}

// Content that the wire cannot carry is refused before anything is sent, so
// that splitting finds the object.
func TestValuesTheWireCannotCarry(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	url := serve(t, withTokens(rec))
	for _, tt := range []struct {
		name   string
		client marketo.Client
		value  marketo.Value
	}{
		{"SOAP, a control character", soapAt(t, url), str("a\x01b")},
		{"SOAP, U+FFFE", soapAt(t, url), str("a\uFFFEb")},
		{"SOAP, not UTF-8", soapAt(t, url), str("a\xFFb")},
		{"REST, not UTF-8", restAt(t, url), str("a\xFFb")},
		{"REST, a number that is none", restAt(t, url), num("NaN")},
		{"REST, a number with more behind it", restAt(t, url), num(`1,"vip":true`)},
		{"REST, an empty number", restAt(t, url), num("")},
		{"REST, a boolean that is none", restAt(t, url), flip("yes")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := sample(marketo.Upsert)
			values := b.Objects[0].Values()
			values[2] = tt.value
			b.Objects[0] = object(roadShow, values...)
			f := tt.client.Sync(t.Context(), b).Fault
			if f == nil || f.Class != marketo.FaultRefused || f.Code != "value" {
				t.Errorf("fault %v, want class refused, code value", f)
			}
		})
	}
	if rec.calls() != 0 {
		t.Errorf("%d calls were made, want none", rec.calls())
	}
}

func TestEmptyBatchIsNoCall(t *testing.T) {
	rec := &recorder{reply: respond(200, "text/xml", listReply)}
	url := serve(t, withTokens(rec))
	for _, c := range []marketo.Client{soapAt(t, url), restAt(t, url)} {
		if r := c.Sync(context.Background(), &marketo.Batch{Type: "RoadShow"}); r.Fault != nil || len(r.Results) != 0 {
			t.Errorf("reply %+v, want an empty one", r)
		}
	}
	if rec.calls() != 0 {
		t.Errorf("%d calls were made, want none", rec.calls())
	}
}
