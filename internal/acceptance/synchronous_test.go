package acceptance_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestSynchronousStandby has the server take the program for a synchronous
// standby: commits of the application would wait for Marketo. It says so while
// it runs, and does not begin so.
func TestSynchronousStandby(t *testing.T) {
	t.Parallel()
	c := ownServer(t, nil)
	w := newItems(t, c, "soap", 10, simulator.Options{})
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	w.exec(`SET synchronous_commit = local`)
	w.exec(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
	w.exec(`SELECT pg_reload_conf()`)
	await(t, time.Minute, func() (bool, string) {
		status, reason := w.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(reason, "synchronous standby (sync)"), "readyz says: " + reason
	})
	p.stop(t)

	var said string
	for _, command := range []string{"check", "run"} {
		p := launch(t, program, command, "-c", w.configure())
		if got := p.exit(t, time.Minute); got != 2 {
			t.Errorf("%s: exit code = %d, want 2", command, got)
		}
		said = strings.Join(strings.Fields(p.output.String()), " ")
		if !strings.Contains(said, "would make cdcsync a synchronous standby") {
			t.Errorf("%s does not tell of the synchronous standby", command)
		}
	}
	remedy := regexp.MustCompile(`ALTER SYSTEM SET synchronous_standby_names = '[^;]*;`).FindString(said)
	w.exec(remedy)
	w.exec(`SELECT pg_reload_conf()`)
	p = w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
}
