package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// The command serves what it prints, and ends when its context does.
func TestSimulate(t *testing.T) {
	objects := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(objects, []byte("objects:\n  - name: RoadShow\n    dedupe: [rid]\n    fields: [{name: rid, type: integer}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	command := simulateCommand()
	command.SetArgs([]string{"--listen", "127.0.0.1:0", "--objects", objects, "--client-secret", "s3cret"})
	command.SetOut(writer)
	ended := make(chan error, 1)
	go func() {
		err := command.ExecuteContext(ctx)
		writer.Close()
		ended <- err
	}()
	address := ""
	lines := bufio.NewScanner(reader)
	for lines.Scan() && !strings.Contains(lines.Text(), "/_simulator/faults") {
		if _, after, ok := strings.Cut(lines.Text(), "endpoint: "); ok && !strings.Contains(after, "soap") {
			address = after
		}
	}
	go io.Copy(io.Discard, reader)
	response, err := http.Get(address + "/identity/oauth/token?grant_type=client_credentials&client_id=" + simulator.DefaultClientID + "&client_secret=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("token call: status %d, want 200", response.StatusCode)
	}
	response, err = http.Get(address + "/_simulator/objects/roadshow")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("objects: status %d, want 200", response.StatusCode)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("simulate ended with %v, want nil", err)
	}
	if _, err := http.Get(address); err == nil {
		t.Error("the address still answers after the end")
	}
}

func TestSimulateUsage(t *testing.T) {
	for _, arguments := range [][]string{
		{"--limits", "none"},
		{"--limits", "calls_per_20s=x"},
		{"--limits", "calls_per_20s=-1"},
		{"--limits", "calls_a_day=1"},
		{"--dedupe", "RoadShow"},
		{"--dedupe", "RoadShow=a", "--objects", "x.yaml"},
		{"--objects", "does-not-exist.yaml"},
		{"--latency", "-1s"},
	} {
		command := simulateCommand()
		command.SetArgs(arguments)
		command.SilenceErrors, command.SilenceUsage = true, true
		if err := command.ExecuteContext(t.Context()); exitCode(err) != 2 {
			t.Errorf("simulate %q: %v, exit code %d, want 2", arguments, err, exitCode(err))
		}
	}
}

func TestParseLimits(t *testing.T) {
	tests := map[string]simulator.Limits{
		"marketo":                            simulator.MarketoLimits(),
		"lifted":                             {},
		"calls_per_20s=50":                   {Calls: 50, Concurrent: 10, SOAPDaily: 10_000, RESTDaily: 50_000},
		"concurrent_calls=0,calls_per_day=7": {Calls: 100, SOAPDaily: 7, RESTDaily: 7},
	}
	for text, want := range tests {
		if got, err := parseLimits(text); err != nil || got != want {
			t.Errorf("parseLimits(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}
