package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
)

// pooler stands before a server as pgbouncer 1.18 does: sessions pass, and one
// that asks for replication is refused.
func pooler(t *testing.T, server string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	serve := func(conn net.Conn) {
		defer conn.Close()
		back := pgproto3.NewBackend(conn, conn)
		first, err := back.ReceiveStartupMessage()
		startup, ok := first.(*pgproto3.StartupMessage)
		if err != nil || !ok {
			return
		}
		if _, ok := startup.Parameters["replication"]; ok {
			back.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: replication"})
			_ = back.Flush()
			return
		}
		behind, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer behind.Close()
		message, err := startup.Encode(nil)
		if err != nil {
			return
		}
		if _, err := behind.Write(message); err != nil {
			return
		}
		go func() { _, _ = io.Copy(behind, conn) }()
		_, _ = io.Copy(conn, behind)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

// Behind a pooler check says so, and run ends instead of trying for ever.
func TestBehindAPooler(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	if err := pg.Exec(t.Context(), "postgres", "CREATE TABLE visits (id int PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	at.Host = pooler(t, at.Host)
	for _, command := range []string{"check", "run"} {
		cmd, out := cdcsync(t, []string{"LEAK_URL=" + at.String(), "LEAK_SECRET=hush"}, command, "-c", "cdcsync.yaml")
		if err := os.WriteFile(filepath.Join(cmd.Dir, "cdcsync.yaml"), []byte(fmt.Sprintf(wrong, `url: "${LEAK_URL}"`)), 0o600); err != nil {
			t.Fatal(err)
		}
		if code := finish(t, cmd); code != 2 {
			t.Errorf("%s: exit code %d, want 2, of:\n%s", command, code, out)
		}
		wantLines(t, out.String(), "this is a pooler", "connect to the server itself")
		if command == "check" {
			wantLines(t, out.String(), "FAIL  replication connection", "ok    server version")
		}
	}
}
