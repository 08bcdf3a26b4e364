package replication_test

import (
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// pooler answers every session as pgbouncer 1.18 does one with the parameter
// replication (SQLSTATE 08P01 since 1.17, none before), and returns its
// address.
func pooler(t *testing.T, message, code string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			back := pgproto3.NewBackend(conn, conn)
			for {
				startup, err := back.ReceiveStartupMessage()
				if err != nil {
					break
				}
				if _, ok := startup.(*pgproto3.SSLRequest); ok {
					_, _ = conn.Write([]byte("N"))
					continue
				}
				back.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
				_ = back.Flush()
				break
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// A pooler is told from a server, and not asked for ever.
func TestPoolerIsRecognised(t *testing.T) {
	for _, tt := range []struct{ message, code string }{
		{"unsupported startup parameter: replication", "08P01"},
		{"unsupported startup parameter: extra_float_digits", "08P01"},
		{"unsupported startup parameter in options: search_path", "08P01"},
		{"Unsupported startup parameter: replication", ""},
	} {
		s := &replication.Source{URL: "postgres://u:hush@" + pooler(t, tt.message, tt.code) + "/d?sslmode=disable", Slot: "s", Publication: "p"}
		_, err := s.Stream(t.Context(), 0)
		wantReason(t, err, replication.Pooler)
		if replication.Classify(err) != replication.Fatal || !strings.HasSuffix(err.Error(), "connect to the server itself, by its own host and port") {
			t.Errorf("got %v, want one that is not tried again", err)
		}
	}
}

func TestProbe(t *testing.T) {
	d := newDatabase(t, table)
	server, err := d.source.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.source.Probe(t.Context(), server); err != nil {
		t.Error(err)
	}
	server.System = "1"
	wantReason(t, d.source.Probe(t.Context(), server), replication.Configuration)
}

// The key words of libpq that say how to connect do so, in sessions of both
// kinds, and those that change nothing here do not stand in the way.
func TestLibpqOfSessions(t *testing.T) {
	d := newDatabase(t, table)
	server, err := d.source.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(d.source.URL)
	if err != nil {
		t.Fatal(err)
	}
	host, port, base := u.Hostname(), u.Port(), "/"+d.name+"?user=postgres&"
	pairs := "user=postgres dbname=" + d.name + " port=" + port + " "
	for _, text := range []string{
		"postgres://" + host + ":" + port + base + "gssencmode=prefer&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000",
		"postgres://" + host + ":" + port + base + "krbsrvname=postgres&sslcompression=0&sslcrl=none&channel_binding=prefer&requiressl=0&sslnegotiation=postgres",
		"postgres://" + host + ":" + port + base + "min_protocol_version=3.0&max_protocol_version=3.0&ssl_min_protocol_version=TLSv1.2&target_session_attrs=read-write",
		"postgres://" + host + ":" + port + base + "client_encoding=LATIN1&replication=true&connect_timeout=0&application_name=&fallback_application_name=mine",
		"postgres://127.0.0.1:1," + host + ":" + port + base + "target_session_attrs=primary&load_balance_hosts=random",
		"postgres://no.such.host.invalid:" + port + base + "hostaddr=" + host,
		"host=no.such.host.invalid hostaddr=" + host + " " + pairs,
		"hostaddr=" + host + " " + pairs,
		"host=/no/such/directory hostaddr=" + host + " " + pairs,
		"host=127.0.0.1," + host + " hostaddr=127.0.0.1," + host + " " + pairs + "target_session_attrs=any",
		" '" + "host=" + host + " " + pairs + "'\n",
	} {
		s := &replication.Source{URL: text, Slot: "s", Publication: "p"}
		if _, err := s.Inspect(t.Context()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := s.Probe(t.Context(), server); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// requirepeer holds the user that the server behind a socket runs as.
func TestRequirePeer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("for Linux only")
	}
	d := newDatabase(t, table)
	info, err := os.Stat(filepath.Join(d.cluster.Dir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := user.LookupId(strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)))
	if err != nil {
		t.Fatal(err)
	}
	other := "root"
	if owner.Username == other {
		other = "nobody"
	}
	s := &replication.Source{URL: d.cluster.SocketURL(d.name) + " requirepeer=" + owner.Username, Slot: "s", Publication: "p"}
	if _, err := s.Inspect(t.Context()); err != nil {
		t.Error(err)
	}
	s.URL = d.cluster.SocketURL(d.name) + " requirepeer=" + other
	if _, err := s.Inspect(t.Context()); err == nil || !strings.Contains(err.Error(), "runs as another user") {
		t.Errorf("got %v, want that the server is another user's", err)
	}
}
