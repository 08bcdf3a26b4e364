package simulator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// discard is a ResponseWriter that costs nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// How many objects a second the simulator takes, without a network: it must
// not be the slowest part of a measurement.
func BenchmarkObjects(b *testing.B) {
	var soap, rest []string
	for i := range 300 {
		pairs := []string{"city", "San Mateo", "zip", "94404", "state", "California", "visited", "2026-02-03T04:05:06+00:00", "lead", "1090177"}
		soap = append(soap, customObj(fmt.Sprint(i), pairs...))
		rest = append(rest, fmt.Sprintf(`{"rid":%d,"city":"San Mateo","zip":"94404","state":"California","visited":"2026-02-03T04:05:06+00:00","lead":1090177}`, i))
	}
	sim := simulator.New(simulator.Options{Dedupe: map[string][]string{"RoadShow": {"rid"}}, MaxCalls: 1000})
	token := httptest.NewRecorder()
	sim.ServeHTTP(token, httptest.NewRequest("GET", "/identity/oauth/token?grant_type=client_credentials&client_id="+
		simulator.DefaultClientID+"&client_secret="+simulator.DefaultClientSecret, nil))
	bearer := "Bearer " + between(token.Body.String(), `"access_token":"`, `"`)
	run := func(b *testing.B, path, body string, objects int) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			r, err := http.NewRequest("POST", path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Type", map[bool]string{true: "application/json", false: "text/xml"}[strings.HasPrefix(path, "/rest")])
			r.Header.Set("SOAPAction", syncAction)
			r.Header.Set("Authorization", bearer)
			w := &discard{header: http.Header{}}
			if sim.ServeHTTP(w, r); w.status != 200 {
				b.Fatalf("status %d", w.status)
			}
		}
		b.ReportMetric(float64(objects)*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	}
	message := envelope(syncCall("UPSERT", soap[:100]...))
	b.Run("soap", func(b *testing.B) { run(b, "/soap/mktows/2_3", message, 100) })
	input := `{"action":"createOrUpdate","dedupeBy":"dedupeFields","input":[` + strings.Join(rest, ",") + `]}`
	b.Run("rest", func(b *testing.B) { run(b, "/rest/v1/customobjects/RoadShow.json", input, 300) })
}
