package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

// TestMain lets the test's own binary be the sink and the bare loop, as the
// program is when it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == modeSink || os.Args[1] == modeBare) {
		main()
		return
	}
	os.Exit(m.Run())
}

// serveSink returns the address of a sink that lives as long as the test.
func serveSink(t *testing.T) *sinkProcess {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- newSink().serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		listener.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &sinkProcess{url: "http://" + listener.Addr().String()}
}

func object(shape *marketo.Shape, key, city string) marketo.Object {
	return marketo.NewObject(shape, []marketo.Value{{Kind: marketo.Number, Text: key}, {Kind: marketo.String, Text: city}})
}

func batch(n int) *marketo.Batch {
	shape := &marketo.Shape{Type: "Bench0", Key: []string{keyField}, Attributes: []string{"city"}}
	b := &marketo.Batch{Type: "Bench0", Operation: marketo.Upsert}
	for i := range n {
		b.Objects = append(b.Objects, object(shape, fmt.Sprint(i+1), "R&D <1>"))
	}
	return b
}

// The sink is a fair opponent only if a client that reads every status finds
// one for every object.
func TestSinkConfirmsEveryObject(t *testing.T) {
	ctx := t.Context()
	sink := serveSink(t)
	secret := func() (string, error) { return "secret", nil }
	soap, err := soap.New(soap.Config{Endpoint: sink.url + "/soap/mktows/2_3", User: "bench", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := rest.New(rest.Config{Endpoint: sink.url, User: "bench", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer soap.Close()
	defer rest.Close()
	for _, tt := range []struct {
		name   string
		client marketo.Client
		n      int
	}{
		{"soap", soap, 1}, {"soap", soap, 100}, {"rest", rest, 1}, {"rest", rest, 300},
	} {
		t.Run(fmt.Sprintf("%s of %d", tt.name, tt.n), func(t *testing.T) {
			if err := sink.reset(ctx, sinkSettings{Track: true}); err != nil {
				t.Fatal(err)
			}
			reply := tt.client.Sync(ctx, batch(tt.n))
			if reply.Fault != nil {
				t.Fatal(reply.Fault)
			}
			for i, r := range reply.Results {
				if r.Outcome != marketo.Confirmed || r.Status != marketo.Created {
					t.Fatalf("object %d: got %v (%v), want it created and confirmed", i, r.Status, r.Outcome)
				}
			}
			stats, err := sink.stats(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if stats.Calls != 1 || stats.Objects != tt.n || len(stats.Answered) != tt.n || stats.MostInFlight != 1 || stats.Last {
				t.Errorf("stats: got %+v, want one call of %d objects", stats, tt.n)
			}
			if _, ok := stats.Answered[int64(tt.n)]; !ok {
				t.Errorf("object %d was not seen", tt.n)
			}
		})
	}
}

func TestSinkLatencyAndLastRow(t *testing.T) {
	ctx := t.Context()
	sink := serveSink(t)
	rest, err := rest.New(rest.Config{Endpoint: sink.url, User: "bench", Secret: func() (string, error) { return "s", nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Close()
	const latency = 50 * time.Millisecond
	if err := sink.reset(ctx, sinkSettings{Latency: latency}); err != nil {
		t.Fatal(err)
	}
	b := batch(1)
	b.Objects[0] = object(b.Objects[0].Shape, "1", lastRow)
	began := time.Now()
	if reply := rest.Sync(ctx, b); reply.Fault != nil {
		t.Fatal(reply.Fault)
	}
	if took := time.Since(began); took < shortest(latency) {
		t.Errorf("call took %v, want at least %v", took, shortest(latency))
	}
	stats, err := sink.stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !stats.Last {
		t.Error("the last row was not recognized")
	}
}

// tuple makes a row of the wire: a number, a text and a null.
func tuple(id, text string) []byte {
	m := []byte{0, 3}
	for _, s := range []string{id, text} {
		m = append(m, 't', 0, 0, 0, byte(len(s)))
		m = append(m, s...)
	}
	return append(m, 'n')
}

func relationMessage() []byte {
	m := append([]byte{0, 0, 0, 7}, "public\x00appends_3\x00d\x00\x03"...)
	for i, name := range []string{"id", "city", "zip"} {
		m = append(m, 1)
		m = append(m, name+"\x00"...)
		m = append(m, 0, 0, 0, [...]byte{20, 25, 25}[i], 0, 0, 0, 0)
	}
	return m
}

func TestBareBodies(t *testing.T) {
	r, err := parseRelation(relationMessage())
	if err != nil {
		t.Fatal(err)
	}
	if r.id != 7 || r.object != "Bench3" || len(r.columns) != 3 {
		t.Fatalf("relation: got %+v", r)
	}
	var body []byte
	for range 2 {
		if body, err = appendJSONRow(body, r, tuple("12", "Springfield")); err != nil {
			t.Fatal(err)
		}
		r.objects++
	}
	body = append(body, restClose...)
	if got := countRecords(body); got != 2 || !json.Valid(body) {
		t.Errorf("REST body of %d records, valid %v, want 2 in valid JSON: %s", got, json.Valid(body), body)
	}
	r.objects = 0
	if body, err = appendXMLRow(nil, r, tuple("12", "Springfield")); err != nil {
		t.Fatal(err)
	}
	body = append(body, soapClose...)
	if err := xml.Unmarshal(body, new(struct{ XMLName xml.Name })); err != nil {
		t.Errorf("SOAP body: %v", err)
	}
	if id, _, ok := soapID(body); !ok || id != 12 {
		t.Errorf("id: got %d, %v, want 12", id, ok)
	}
}

func FuzzBareMessage(f *testing.F) {
	f.Add(append([]byte{'R'}, relationMessage()...))
	f.Add(append([]byte{'I', 0, 0, 0, 7, 'N'}, tuple("1", "x")...))
	f.Fuzz(func(t *testing.T, m []byte) {
		if len(m) == 0 {
			return
		}
		r, err := parseRelation(relationMessage())
		if err != nil {
			t.Fatal(err)
		}
		b := &bare{relations: map[uint32]*bareRelation{7: r}, told: time.Now()}
		_ = b.message(m) // it must end, with an error or without
	})
}

func TestFigures(t *testing.T) {
	if got, want := spreadOf([]float64{5, 1, 3, 2}, func(f float64) float64 { return f }), (spread{1, 2.5, 5}); got != want {
		t.Errorf("spread: got %v, want %v", got, want)
	}
	took := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if p50, p99 := quantile(took, 0.5), quantile(took, 0.99); p50 != 6 || p99 != 10 {
		t.Errorf("quantiles: got %d and %d, want 6 and 10", p50, p99)
	}
	s := int64(time.Second)
	if got := mostWithin([]int64{30 * s, 0, 19 * s, 20 * s, 21 * s}, 20*time.Second); got != 4 {
		t.Errorf("most within 20 s: got %d, want 4", got)
	}
	if got := allowed([]int64{0, 20*s + s/2}); got != limitCalls+limitConcurrency {
		t.Errorf("allowed: got %d, want %d", got, limitCalls+limitConcurrency)
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d): got %s, want %s", n, got, want)
		}
	}
	if got, err := parseLSN("1A/2B"); err != nil || got != 0x1A0000002B {
		t.Errorf("position: got %v, %v", got, err)
	}
	if _, err := parseLSN("1A"); err == nil {
		t.Error("position 1A: got no error")
	}
}

func TestProc(t *testing.T) {
	stat := []byte("42 (a) name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20\n")
	if got, want := parseStat(stat), 2*time.Second; got != want {
		t.Errorf("CPU: got %v, want %v", got, want)
	}
	if got := parseStat([]byte("nothing")); got != 0 {
		t.Errorf("CPU of nothing: got %v", got)
	}
	if got, want := parsePeak([]byte("Name:\tx\nVmHWM:\t   1024 kB\nVmRSS: 1 kB\n")), int64(1<<20); got != want {
		t.Errorf("peak: got %d, want %d", got, want)
	}
	if got := parsePeak(nil); got != 0 {
		t.Errorf("peak of nothing: got %d", got)
	}
}

func TestPlot(t *testing.T) {
	image := plot("rows/s & more", []bar{{"cdcsync-soap", spread{1, 2, 3}}, {"receive", spread{4, 5, 6}}})
	if err := xml.Unmarshal([]byte(image), new(struct{ XMLName xml.Name })); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(image, "<rect"); got != 3 {
		t.Errorf("rectangles: got %d, want the ground and two bars", got)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{"-workloads", "nothing"}, {"-contenders", "nobody"}, {"-repeats", "-1"}, {"extra"}, {"-cdcsync", "missing"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v: got no error", args)
		}
	}
}

// TestMeasure has the whole program measure very little.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	if _, err := cluster.Find(); errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "cdcsync")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/cdcsync")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, text)
	}
	o, err := parseOptions([]string{"-cdcsync", binary, "-before", binary, "-repeats", "1", "-rows", "1000", "-duration", "200ms",
		"-workloads", "appends,hotkeys,wide,latency,held,backfill", "-json", filepath.Join(dir, "runs.json"), "-plot", filepath.Join(dir, "plot.svg")})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := measure(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(contenderNames(), "hotkeys", "wide", "latency", "held", "backfill") {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output does not tell of %s:\n%s", want, out.String())
		}
	}
	var kept struct{ Backlogs []result }
	text, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	if got, want := len(kept.Backlogs), (len(contenders)-2)*2+4+(len(contenders)-4); got != want {
		t.Errorf("runs kept: got %d, want %d", got, want)
	}
	if _, err := os.Stat(o.plot); err != nil {
		t.Error(err)
	}
}
