package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// What was made goes when it is asked for, and never under a running daemon.
func TestTeardown(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	run := func(sql string) {
		t.Helper()
		if err := pg.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE orders (id int PRIMARY KEY, city text)`)
	sim := simulator.New(simulator.Options{Dedupe: map[string][]string{"Order": {"oid"}}})
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	t.Setenv("CHECK_SECRET", simulator.DefaultClientSecret)
	text := fmt.Sprintf(checkConfig, pg.URL("postgres"), server.URL, simulator.DefaultClientID) + "http: {listen: \"127.0.0.1:0\"}\n"
	dir := t.TempDir()
	file, elsewhere := filepath.Join(dir, "cdcsync.yaml"), filepath.Join(dir, "elsewhere.yaml")
	for path, content := range map[string]string{file: text, elsewhere: text + "state: sqlite:elsewhere.db\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	teardown := func(file string, want int, words string, flags ...string) {
		t.Helper()
		var out bytes.Buffer
		command := rootCommand()
		command.SetOut(&out)
		command.SetErr(&out)
		command.SetIn(strings.NewReader("y\n")) // no terminal: nobody who may say so
		command.SetArgs(append([]string{"teardown", "-c", file}, flags...))
		err := command.ExecuteContext(t.Context())
		said := out.String() + fmt.Sprint(err)
		if code := exitCode(err); code != want || !strings.Contains(said, words) {
			t.Errorf("exit code %d, want %d, and %q in:\n%s", code, want, words, said)
		}
	}

	daemon, log := cdcsync(t, nil, "run", "-c", file)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	appears(t, log, "msg=streaming")
	teardown(file, 1, "in use by another cdcsync", "--yes")
	teardown(elsewhere, 1, "is in use, by process", "--yes")
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, log)
	}

	run(`INSERT INTO orders VALUES (1, 'x')`)
	teardown(file, 1, "replication slot orders: changes in the last ")
	teardown(file, 1, "publication orders of public.orders\nwould be dropped; add --yes to do it")
	run(`SELECT pg_create_logical_replication_slot('other', 'pgoutput')`)
	teardown(file, 1, "publication orders of public.orders: if slot other reads by it, that cannot go on without it\nwould be dropped")
	run(`SELECT pg_drop_replication_slot('other')`)
	teardown(file, 0, "dropped:\nreplication slot orders", "--yes")
	run(`DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_publication) AND NOT EXISTS (SELECT FROM pg_replication_slots); END $$`)
	teardown(file, 0, "nothing to drop", "--yes")
	run(`SELECT pg_create_physical_replication_slot('orders')`)
	teardown(file, 1, "is of another program", "--yes")
	run(`SELECT pg_drop_replication_slot('orders')`)
	run(`CREATE PUBLICATION orders FOR ALL TABLES`)
	teardown(file, 0, "publication orders of all tables", "--yes")
}
