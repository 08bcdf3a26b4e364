package probe_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/probe"
)

func typed(name string, keys simulator.KeyRule, key simulator.FieldType) simulator.Type {
	return simulator.Type{Name: name, Dedupe: []string{"pid", "n"}, Keys: keys, Fields: []simulator.Field{
		{Name: "pid", Type: key}, {Name: "n", Type: simulator.Integer}, {Name: "note", Type: simulator.String},
	}}
}

// A probe answers as the instance is, and leaves nothing behind.
func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		keys    simulator.KeyRule
		latency time.Duration
		want    string
	}{
		{simulator.ExactKeys, 0, "case=apart trailing_blanks=apart null=cleared empty_text=cleared unknown_field=object refused"},
		{simulator.FoldKeys, 40 * time.Millisecond, "case=one trailing_blanks=one concurrent_creation=two null=cleared empty_text=cleared unknown_field=object refused"},
	} {
		sim := simulator.New(simulator.Options{Types: []simulator.Type{typed("Probe_c", tt.keys, simulator.String), typed("Numbered_c", tt.keys, simulator.Date)}})
		sim.SetLatency(simulator.Latency{Fixed: tt.latency})
		server := httptest.NewServer(sim)
		t.Cleanup(server.Close)
		client, err := rest.New(rest.Config{Endpoint: server.URL, User: simulator.DefaultClientID, Secret: func() (string, error) { return simulator.DefaultClientSecret, nil }})
		if err != nil {
			t.Fatal(err)
		}
		admitted := 0
		r, err := probe.Run(t.Context(), client, func(context.Context) error { admitted++; return nil }, "Probe_c")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range r.Answers {
			if a.Means == "" {
				t.Errorf("%s means nothing", a.Question)
			}
			if a.Question != "concurrent_creation" || tt.latency > 0 { // at once, both may be in time or not
				got = append(got, a.Question+"="+a.Answer)
			}
		}
		if text := strings.Join(got, " "); text != tt.want || r.Type != "Probe_c" || len(r.Answers) != 6 {
			t.Errorf("%s: %s\nwant %s", tt.keys, text, tt.want)
		}
		if n := sim.Count("Probe_c"); n != 0 || len(r.Left) != 0 {
			t.Errorf("%d objects are left, and said to be: %q", n, r.Left)
		}
		if calls := sim.Stats().RESTToday; calls > probe.MostCalls || admitted == 0 {
			t.Errorf("%d calls, %d admitted", calls, admitted)
		}
		if _, err := probe.Run(t.Context(), client, func(context.Context) error { return nil }, "Numbered_c"); err == nil || !strings.Contains(err.Error(), "dedupe field") {
			t.Errorf("a type that does not do: %v", err)
		}
		path := filepath.Join(t.TempDir(), "state.db.probe.json")
		if _, ok, err := probe.Load(path); ok || err != nil {
			t.Errorf("before: %t, %v", ok, err)
		}
		if err := r.Save(path); err != nil {
			t.Fatal(err)
		}
		if back, ok, err := probe.Load(path); !ok || err != nil || back.Type != r.Type || !back.At.Equal(r.At) || len(back.Answers) != 6 {
			t.Errorf("read back: %+v, %t, %v", back, ok, err)
		}
		sim.Close()
	}
}

// What breaks off is cleaned up, too.
func TestProbeThatBreaksOff(t *testing.T) {
	sim := simulator.New(simulator.Options{Types: []simulator.Type{typed("Probe_c", simulator.ExactKeys, simulator.String)}})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	client, err := rest.New(rest.Config{Endpoint: server.URL, User: simulator.DefaultClientID, Secret: func() (string, error) { return simulator.DefaultClientSecret, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Fail(simulator.Rule{Operation: "sync", After: 3, Code: "611"}); err != nil {
		t.Fatal(err)
	}
	r, err := probe.Run(t.Context(), client, func(context.Context) error { return nil }, "Probe_c")
	if err == nil || len(r.Answers) != 1 || sim.Count("Probe_c") != 0 {
		t.Errorf("%v, %d answers, %d objects left", err, len(r.Answers), sim.Count("Probe_c"))
	}
}
