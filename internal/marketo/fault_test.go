package marketo_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

func soapFaultReply(code, message string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` + message +
		`</faultstring><detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name><message>` + message + ` (` + code + `)</message><code>` + code + `</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

func TestSOAPFaultClasses(t *testing.T) {
	for code, class := range map[string]marketo.FaultClass{
		"10001": marketo.FaultRetry, "20011": marketo.FaultRetry, "99999": marketo.FaultRetry,
		"20012": marketo.FaultRefused, "20017": marketo.FaultRefused, "20019": marketo.FaultRefused,
		"20109": marketo.FaultRefused, "20110": marketo.FaultRefused, "20114": marketo.FaultRefused,
		"20013": marketo.FaultCredentials, "20014": marketo.FaultCredentials,
		"20015": marketo.FaultQuota, "20016": marketo.FaultExpired,
		"20023": marketo.FaultRate, "20024": marketo.FaultConcurrency,
	} {
		for _, status := range []int{500, 200} {
			// The text speaks of another fault: only the code counts.
			rec := &recorder{reply: respond(status, "text/xml", soapFaultReply(code, "20014 authentication failed"))}
			r := soapAt(t, serve(t, rec)).Sync(t.Context(), single())
			if r.Fault == nil || r.Fault.Class != class || r.Fault.Code != code || r.Results != nil {
				t.Errorf("%s with HTTP %d: fault %v, results %v, want class %v", code, status, r.Fault, r.Results, class)
			}
			secretsIn(t, r.Fault)
		}
	}
}

func TestRESTFaultClasses(t *testing.T) {
	for code, class := range map[string]marketo.FaultClass{
		"600": marketo.FaultExpired, "601": marketo.FaultExpired, "602": marketo.FaultExpired,
		"603": marketo.FaultCredentials, "604": marketo.FaultUnknown,
		"606": marketo.FaultRate, "607": marketo.FaultQuota, "615": marketo.FaultConcurrency,
		"608": marketo.FaultRetry, "611": marketo.FaultRetry, "614": marketo.FaultRetry, "713": marketo.FaultRetry, "999": marketo.FaultRetry,
		"609": marketo.FaultRefused, "610": marketo.FaultRefused, "612": marketo.FaultRefused,
		"701": marketo.FaultRefused, "704": marketo.FaultRefused, "709": marketo.FaultRefused,
		"1003": marketo.FaultRefused, "1006": marketo.FaultRefused, "1022": marketo.FaultRetry,
	} {
		rec := &recorder{reply: respond(200, "application/json", `{"requestId":"x","success":false,"errors":[{"code":"`+code+`","message":"606 Max rate limit"}]}`)}
		r := restAt(t, serve(t, withTokens(rec))).Sync(t.Context(), single())
		if r.Fault == nil || r.Fault.Class != class || r.Fault.Code != code || r.Results != nil {
			t.Errorf("%s: fault %v, results %v, want class %v", code, r.Fault, r.Results, class)
		}
	}
}

// Marketo's text helps an operator, unless it repeats what must not be logged.
func TestFaultText(t *testing.T) {
	for _, tt := range []struct {
		text string
		kept bool
	}{
		{"Object RoadShow not found", true},
		{"Bad value " + rowValue, false},
		{"Bad value " + strings.ToUpper(rowValue), false},
		{"User " + userID + " unknown", false},
		{"Secret " + secret, false},
	} {
		t.Run(tt.text, func(t *testing.T) {
			rec := &recorder{reply: respond(500, "text/xml", soapFaultReply("20110", tt.text))}
			f := soapAt(t, serve(t, rec)).Sync(t.Context(), single()).Fault
			secretsIn(t, f)
			if f == nil || strings.Contains(f.Message, tt.text) != tt.kept {
				t.Errorf("soap: %v, want the text kept=%v", f, tt.kept)
			}
			rec = &recorder{reply: respond(200, "application/json", `{"success":false,"errors":[{"code":"609","message":"`+tt.text+`"}]}`)}
			f = restAt(t, serve(t, withTokens(rec))).Sync(t.Context(), single()).Fault
			if f == nil || strings.Contains(f.Message, rowValue) || strings.Contains(f.Message, secret) {
				t.Errorf("rest: %v", f)
			}
		})
	}
}

// A signature that Marketo finds stale is a matter of clocks: the fault says
// how far they are apart.
func TestClockSkew(t *testing.T) {
	ours := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for skew, want := range map[time.Duration]string{
		2 * time.Hour:    "2h0m0s ahead of",
		-2 * time.Hour:   "2h0m0s behind",
		-3 * time.Second: "agrees",
	} {
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", ours.Add(-skew).Format(http.TimeFormat))
			w.WriteHeader(500)
			_, _ = w.Write([]byte(soapFaultReply("20016", "Request expired")))
		}))
		c, err := soap.New(soap.Config{Endpoint: url, User: userID, Secret: literally(secret), Now: func() time.Time { return ours }})
		if err != nil {
			t.Fatal(err)
		}
		f := c.Sync(t.Context(), single()).Fault
		if f == nil || f.Class != marketo.FaultExpired || !strings.Contains(f.Message, want) {
			t.Errorf("skew %v: %v, want it to say %q", skew, f, want)
		}
		c.Close()
	}
}

func TestLoggableHoldsNoValue(t *testing.T) {
	o := object(&marketo.Shape{Key: []string{"id"}}, str("Canary"))
	for _, tt := range []struct {
		result marketo.Result
		want   string
	}{
		{marketo.Result{Code: "1003"}, "1003"},
		{marketo.Result{Code: "1003", Message: "bad type"}, `1003 "bad type"`},
		{marketo.Result{Code: "value", Message: `column "n" is infinite`}, `value: column "n" is infinite`},
		{marketo.Result{Message: "Unknown attribute"}, `"Unknown attribute"`},
		{marketo.Result{Code: "1003", Message: "bad value canary"}, "1003 (Marketo's text repeats a value and is left out)"},
		{marketo.Result{Message: "CANARY is no id"}, "(Marketo's text repeats a value and is left out)"},
	} {
		if got := tt.result.Loggable(o); got != tt.want {
			t.Errorf("Loggable(%+v) = %q, want %q", tt.result, got, tt.want)
		}
	}
}
