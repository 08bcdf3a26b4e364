package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// Shells get the names of mappings, and codes and keys of parked objects, from
// the running daemon; without one nothing, and no error.
func TestCompletion(t *testing.T) {
	o := &office{
		status: snapshot.Status{State: "delivering", Ready: true, Report: &snapshot.Report{Mappings: []snapshot.Mapping{{Name: "roadshow"}, {Name: "orders"}, {Name: "orders_old"}}}},
		parked: []checkpoint.Parked{
			{Key: "a", Mapping: "orders", Fields: `{"id":1}`, Code: "1003"},
			{Key: "b", Mapping: "orders", Fields: `{"id":2}`, Code: "1004"},
			{Key: "c", Mapping: "roadshow", Fields: `{"id":3}`},
		},
		backfills: []admin.Backfill{{ID: 1, Mapping: "orders", Refused: 3, RefusedRows: []admin.RefusedRow{{Key: "1", Code: "1007"}, {Key: "2", Code: "1007"}, {Key: "3"}}}},
	}
	file := o.open(t)
	for _, tt := range []struct{ line, want string }{
		{"release ", "orders orders_old roadshow"},
		{"release or", "orders orders_old"},
		{"release orders or", "orders_old"},
		{"backfill start ro", "roadshow"},
		{"backfill pause ro", "roadshow"},
		{"parked list --mapping r", "roadshow"},
		{"parked retry --code ", "- 1003 1004"},
		{"parked discard --code 1", "1003 1004"},
		{"backfill retry ro", "roadshow"},
		{"backfill retry --code ", "- 1007"},
	} {
		args := strings.Split(tt.line, " ")
		full := append([]string{"__complete"}, args[:len(args)-1]...)
		full = append(full, "-c", file, args[len(args)-1])
		if strings.HasPrefix(args[len(args)-2], "--") { // the flag and its value stay together
			full = append(append([]string{"__complete"}, args[:len(args)-2]...), "-c", file, args[len(args)-2], args[len(args)-1])
		}
		output, _, _ := command(t, full...)
		var got []string
		for line := range strings.Lines(output) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, ":") && !strings.HasPrefix(line, "Completion ended") {
				got = append(got, line)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("completing %q gives %q, want %q", tt.line, text, tt.want)
		}
	}
	output, mistake, code := command(t, "__complete", "release", "--address", "127.0.0.1:1", "")
	if code != 0 || !strings.HasPrefix(output, ":4\n") {
		t.Errorf("without a daemon: exit code %d, %q, %q", code, output, mistake)
	}
}

// preview gets the names of mappings from the configuration, as it needs no daemon.
func TestCompletionOfPreview(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	text := `source: {url: postgres://x/y}
marketo: {rest: {endpoint: "https://x.mktorest.com", client_id: id, client_secret_file: secret}}
mappings:
  - {name: orders, table: orders, object: Order_c, key: {id: id}}
  - {name: visits, table: visits, object: Visit_c, key: {id: id}}
`
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte("s"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{"": "orders\nvisits\n:4\n", "vi": "visits\n:4\n", "x": ":4\n"} {
		if output, mistake, code := command(t, "__complete", "preview", "-c", file, line); code != 0 || !strings.HasPrefix(output, want) {
			t.Errorf("completing %q: exit code %d, %q, %q", line, code, output, mistake)
		}
	}
	if output, _, _ := command(t, "__complete", "preview", "-c", file+"x", ""); !strings.HasPrefix(output, ":4\n") {
		t.Errorf("without a configuration: %q", output)
	}
}
