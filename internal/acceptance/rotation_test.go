package acceptance_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestPasswordIsRotated changes a role's password and the file of source.url
// under a running program, and then breaks its connections: it goes on with the
// new password by itself. A file that is wrong for a while ends nothing.
func TestPasswordIsRotated(t *testing.T) {
	needServer(t)
	t.Parallel()
	c := ownServer(t, nil)
	w := newItems(t, c, "rest", 10, simulator.Options{})
	w.exec(`CREATE ROLE rotating SUPERUSER LOGIN REPLICATION PASSWORD 'first-one'`)
	hba := filepath.Join(c.Dir(), "data", "pg_hba.conf")
	lines, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all rotating 127.0.0.1/32 scram-sha-256\n"), lines...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.exec(`SELECT pg_reload_conf()`)
	url := func(password string) string {
		return strings.Replace(w.config.url, "postgres@", "rotating:"+password+"@", 1)
	}
	w.write("url", url("first-one"))
	file := w.configure()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.write("cdcsync.yaml", strings.Replace(string(text), "url: '"+w.config.url+"'", "url_file: url", 1))
	p := launch(t, program, "run", "-c", file)
	w.awaitReady(p)

	w.exec(`ALTER ROLE rotating PASSWORD 'second-one'`)
	w.write("url", url("second@one")) // wrong in its form, for a moment
	w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotating'`)
	await(t, time.Minute, func() (bool, string) {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "encode @ as %40"), "readyz: " + body
	})
	w.write("url", url("second-one"))
	w.exec(`UPDATE items SET version = version + 1`)
	w.awaitReady(p)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
}
