package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
)

// TestMain runs the orphan test's child when asked to.
func TestMain(m *testing.M) {
	if os.Getenv("CLUSTER_TEST_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// TestLife walks one server through everything that can be done to it.
func TestLife(t *testing.T) {
	ctx := t.Context()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_sender_timeout": "2s", "cluster_name": "it's"}})

	for setting, want := range map[string]string{
		"wal_level": "logical", "fsync": "off", "wal_sender_timeout": "2s", "cluster_name": "it's",
		"listen_addresses": "127.0.0.1", "server_encoding": "UTF8",
	} {
		if got := clustertest.Value(t, c.URL("postgres"), "SHOW "+setting); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	url, err := c.NewDatabase(ctx, `odd "name"`)
	if err != nil {
		t.Fatal(err)
	}
	if want := c.URL(`odd "name"`); url != want {
		t.Errorf("NewDatabase() = %q, want %q", url, want)
	}
	if got, want := clustertest.Value(t, c.SocketURL("postgres"), "SELECT count(*) FROM pg_database WHERE datname = 'odd \"name\"'"), "1"; got != want {
		t.Errorf("databases of that name: %s, want %s", got, want)
	}
	if err := c.Exec(ctx, "postgres", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)"); err != nil {
		t.Fatal(err)
	}

	ends := []struct {
		name string
		end  func() error
	}{
		{"fast", func() error { return c.Stop(ctx, cluster.Fast) }},
		{"immediate", func() error { return c.Stop(ctx, cluster.Immediate) }},
		{"kill", c.Kill},
	}
	for _, e := range ends {
		if err := e.end(); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		if _, err := pgconn.Connect(ctx, c.URL("postgres")); err == nil {
			t.Errorf("%s: the server still accepts connections", e.name)
		}
		if err := c.Stop(ctx, cluster.Fast); !errors.Is(err, cluster.ErrStopped) {
			t.Errorf("%s: Stop() again = %v, want ErrStopped", e.name, err)
		}
		if err := c.Kill(); !errors.Is(err, cluster.ErrStopped) {
			t.Errorf("%s: Kill() after = %v, want ErrStopped", e.name, err)
		}
		if err := c.Restart(ctx); err != nil {
			t.Fatalf("restart after %s: %v", e.name, err)
		}
		if got, want := clustertest.Value(t, c.URL("postgres"), "SELECT id FROM kept"), "7"; got != want {
			t.Errorf("after %s: row = %s, want %s", e.name, got, want)
		}
	}
	if err := c.Restart(ctx); err != nil {
		t.Errorf("Restart() of a running server = %v", err)
	}
	if err := c.Stop(ctx, "smart"); err == nil || !strings.Contains(err.Error(), "fast or immediate") {
		t.Errorf("Stop(smart) = %v, want an error that names the modes", err)
	}

	dir := c.Dir()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: stat of the directory = %v, want not exist", err)
	}
}

func TestOwnDirectoryAndBadSetting(t *testing.T) {
	parent, err := os.MkdirTemp("", "cdcsync-pg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "given")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Start(t.Context(), cluster.Options{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("Start() = %v, want an error with the end of the server's log", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("after a failed start the given directory holds %v, %v; want it kept and empty", left, err)
	}
}

func TestStartCancelled(t *testing.T) {
	if _, err := cluster.Find(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cluster.Start(ctx, cluster.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start() = %v, want context.Canceled", err)
	}
}

func TestFindNamedDirectory(t *testing.T) {
	t.Setenv("CDCSYNC_PG_BIN", t.TempDir())
	if _, err := cluster.Find(); err == nil || !strings.Contains(err.Error(), "CDCSYNC_PG_BIN") {
		t.Errorf("Find() = %v, want an error that names CDCSYNC_PG_BIN", err)
	}
}

// child starts a cluster, says where it is, and waits to be killed.
func child() {
	c, err := cluster.Start(context.Background(), cluster.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println(c.Dir(), c.URL("postgres"))
	select {}
}

// TestNoOrphan kills a process that owns a server and expects the server gone.
func TestNoOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a child to its parent")
	}
	if _, err := cluster.Find(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CLUSTER_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir, url, _ := strings.Cut(strings.TrimSpace(line), " ")
	t.Cleanup(func() { os.RemoveAll(dir) })
	if got := clustertest.Value(t, url, "SELECT 1"); got != "1" {
		t.Fatalf("the child's server answers %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed: its exit status is no news

	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := pgconn.Connect(t.Context(), url)
		if err != nil {
			return
		}
		_ = conn.Close(t.Context()) // the server may be ending
		if time.Now().After(deadline) {
			t.Fatal("the server outlived the process that started it")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestStandbyFollowsAndIsPromoted(t *testing.T) {
	primary := clustertest.Start(t, cluster.Options{})
	if err := primary.Exec(t.Context(), "postgres", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { standby.Close() })
	if err := primary.Exec(t.Context(), "postgres", "CREATE TABLE later (id int)"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for clustertest.Value(t, standby.URL("postgres"), "SELECT count(*) FROM pg_class WHERE relname = 'later'") != "1" {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not follow")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := clustertest.Value(t, standby.URL("postgres"), "SELECT pg_is_in_recovery()::text || count(*) FROM pg_replication_slots"); got != "false1" {
		t.Errorf("after the promotion recovery and slots are %s, want false1", got)
	}
}
