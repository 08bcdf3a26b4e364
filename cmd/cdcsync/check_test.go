package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const checkConfig = `
source: {url: %q, slot: orders, publication: orders}
marketo: {rest: {endpoint: %q, client_id: %q, client_secret: "${CHECK_SECRET}"}}
mappings:
  - {table: public.orders, object: Order, key: {oid: id}, attributes: {city: city}}
`

// check runs the command and returns what it printed and its exit code.
func check(t *testing.T, config string, flags ...string) (output string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return checkFile(t, file, flags...)
}

func checkFile(t *testing.T, file string, flags ...string) (output string, code int) {
	t.Helper()
	var out bytes.Buffer
	command := checkCommand()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetArgs(append([]string{"-c", file}, flags...))
	err := command.ExecuteContext(t.Context())
	return out.String(), exitCode(err)
}

func wantLines(t *testing.T, output string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(output, line) {
			t.Errorf("no %q in:\n%s", line, output)
		}
	}
}

func TestCheckOffline(t *testing.T) {
	t.Setenv("CHECK_SECRET", "keep-this-quiet")
	good := fmt.Sprintf(checkConfig, "postgres://nobody@127.0.0.1:1/x", "http://127.0.0.1:1", "client")
	output, code := check(t, good, "--offline")
	if code != 0 || strings.Contains(output, "keep-this-quiet") {
		t.Errorf("exit code %d, want 0, of:\n%s", code, output)
	}
	wantLines(t, output, "Configuration\n  ok    file", "mappings: 1, tables: 1", "skip  offline", "failed: 0, not seen: 0, warnings: 0, ok: 1; the configuration is right")

	output, code = check(t, strings.Replace(good, "object: Order", "objekt: Order", 1)+"extra: 1\n", "--offline")
	if code != 2 {
		t.Errorf("exit code %d with mistakes, want 2", code)
	}
	wantLines(t, output, "FAIL  extra", "FAIL  mappings[0].objekt", "cdcsync.yaml:6:1: ", "this must be fixed first")

	output, code = checkFile(t, filepath.Join(t.TempDir(), "none.yaml"))
	if code != 2 {
		t.Errorf("exit code %d without a file, want 2", code)
	}
	wantLines(t, output, "FAIL  file", "name the configuration with -c")
}

func TestCheckUnreachable(t *testing.T) {
	t.Setenv("CHECK_SECRET", "keep-this-quiet")
	config := fmt.Sprintf(checkConfig, "postgres://nobody:keep-this-quiet@127.0.0.1:1/x", "http://127.0.0.1:1", "client")
	output, code := check(t, config)
	if code != 1 || strings.Contains(output, "keep-this-quiet") {
		t.Errorf("exit code %d, want 1, and no secret, of:\n%s", code, output)
	}
	wantLines(t, output, "PostgreSQL\n  ????  connection  connect as nobody", "check that the server runs and can be reached\n", "Marketo\n  ????  login", "skip  start", "failed: 0, not seen: 2, ")
}

// One set-up, broken and fixed step by step.
func TestCheck(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	sim := simulator.New(simulator.Options{Types: []simulator.Type{{Name: "Order", Dedupe: []string{"oid"}, Fields: []simulator.Field{
		{Name: "oid", Type: simulator.Integer}, {Name: "city", Type: simulator.Text}}}}})
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	run := func(sql string) {
		t.Helper()
		if err := pg.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	config := fmt.Sprintf(checkConfig, pg.URL("postgres"), server.URL, simulator.DefaultClientID)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	step := func(name string, want int, lines ...string) {
		t.Helper()
		output, code := checkFile(t, file)
		if code != want {
			t.Errorf("%s: exit code %d, want %d, of:\n%s", name, code, want, output)
		}
		wantLines(t, output, lines...)
	}

	t.Setenv("CHECK_SECRET", simulator.DefaultClientSecret)
	step("no table", 2, "Tables\n  FAIL  table public.orders", "cdcsync.yaml:5:")
	run(`CREATE TABLE orders (id int, city text)`)
	step("no identity", 2, "\n            ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL;\n")
	run(`ALTER TABLE orders ADD PRIMARY KEY (id)`)
	t.Setenv("CHECK_SECRET", "wrong")
	step("wrong secret", 2, "Marketo\n  FAIL  login")
	t.Setenv("CHECK_SECRET", simulator.DefaultClientSecret)
	step("ready", 0, "ok    start       creates slot orders", "cdcsync.db does not exist; the first start creates it", "failed: 0, not seen: 0, warnings: 0, ")
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "cdcsync.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the check has made a state file (%v)", err)
	}

	run(`CREATE PUBLICATION orders FOR TABLE ONLY orders`)
	run(`SELECT pg_create_logical_replication_slot('orders', 'pgoutput')`)
	step("slot of an unknown life", 3, "FAIL  start       is refused (store_lost)", "but the state file "+filepath.Dir(file)+"/cdcsync.db knows nothing", "another instance? set source.slot", "a start would be refused")
	output, code := checkFile(t, file, "--json")
	var report struct {
		Findings []struct{ Section, Check, Level, Detail, Remedy string }
		Failed   int
		Refused  string
		Exit     int
	}
	if err := json.Unmarshal([]byte(output), &report); err != nil {
		t.Fatal(err)
	}
	last := report.Findings[len(report.Findings)-1]
	if code != 3 || report.Exit != 3 || report.Failed != 1 || report.Refused != checkpoint.StoreLost ||
		last.Section != "State" || last.Check != "start" || last.Level != "fail" || last.Remedy == "" {
		t.Errorf("exit code %d, JSON:\n%s", code, output)
	}
	checkKnownState(t, pg, file, step)
}

// checkKnownState checks with a state file that is in use, knows the slot, and
// belongs to another cluster.
func checkKnownState(t *testing.T, pg *cluster.Cluster, file string, step func(string, int, ...string)) {
	t.Helper()
	path := filepath.Join(filepath.Dir(file), "cdcsync.db")
	source := &replication.Source{URL: pg.URL("postgres"), Slot: "orders", Publication: "orders"}
	server, err := source.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	identify := func(system string) *sqlite.Store {
		t.Helper()
		store, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		ck := checkpoint.Checkpoint{System: system, Timeline: server.Timeline, Database: server.Database, Slot: "orders", LSN: server.Flushed}
		if err := store.Identify(t.Context(), ck); err != nil {
			t.Fatal(err)
		}
		return store
	}
	shut := func(store *sqlite.Store) {
		t.Helper()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	store := identify(server.System)
	step("state file in use", 1, "????  state file  open state file", "in use by another cdcsync")
	shut(store)
	at := server.Flushed.String()
	step("going on", 0, "settled up to "+at+", parked objects: 0", "ok    start            goes on at "+at, "ok    waiting changes  all fit the mappings")
	if err := pg.Exec(t.Context(), "postgres", "DROP PUBLICATION orders"); err != nil {
		t.Fatal(err)
	}
	step("publication dropped", 3, "FAIL  publication", "is refused (publication_missing)")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	shut(identify("1"))
	step("state file of another cluster", 3, "is refused (wrong_system)")
}

// A state file that run could not keep fails the check.
func TestCheckOfThePlaceOfTheState(t *testing.T) {
	t.Setenv("CHECK_SECRET", "keep-this-quiet")
	config := fmt.Sprintf(checkConfig, "postgres://nobody@127.0.0.1:1/x", "http://127.0.0.1:1", "client")
	output, code := check(t, config+"state: sqlite:/no/such/directory/x.db\n")
	if code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	wantLines(t, output, "FAIL  state file  the directory /no/such/directory does not exist: create it, or correct `state`")
}
