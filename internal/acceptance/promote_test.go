package acceptance_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// pair is a primary and its standby, of which a configuration names both.
type pair struct {
	*world
	standby *cluster.Cluster
}

// newPair makes a pair whose program has delivered one update of all rows.
func newPair(t *testing.T, api string) (*pair, *process) {
	t.Helper()
	primary := ownServer(t, nil)
	w := newItems(t, primary, api, 10, simulator.Options{})
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.disconnect()
	second := standby(t, primary, nil)
	w.config.url = both(t, w.database, primary, second)
	return &pair{w, second}, w.start()
}

// failOver kills the primary and promotes the standby, which then is the
// server of the world.
func (w *pair) failOver() {
	w.t.Helper()
	w.killPrimary()
	w.promote()
}

func (w *pair) killPrimary() {
	w.t.Helper()
	w.disconnect()
	if err := w.cluster.Kill(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *pair) promote() {
	w.t.Helper()
	w.cluster = w.standby
	if err := w.cluster.Promote(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// awaitStandby waits until the standby has everything.
func (w *pair) awaitStandby() {
	w.t.Helper()
	want := w.value("SELECT pg_current_wal_lsn()")
	there := &world{t: w.t, cluster: w.standby, database: w.database}
	defer there.disconnect()
	await(w.t, time.Minute, func() (bool, string) {
		return there.value("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", want) == "true", "the standby lacks WAL"
	})
}

// TestPromotedStandbyThatHasEverything is a failover that loses nothing: the
// stream goes on, and after a restart, too.
func TestPromotedStandbyThatHasEverything(t *testing.T) {
	t.Parallel()
	w, p := newPair(t, "soap")
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	w.awaitStandby()
	w.failOver()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	w.itemsAgree()
	if !strings.Contains(p.output.String(), "the server was promoted: timeline 2, was 1") {
		t.Error("it does not tell of the promotion")
	}
	p.stop(t)
	told := strings.Count(p.output.String(), "promoted")
	p = w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	p.stop(t)
	w.itemsAgree()
	if strings.Contains(p.output.String(), "promoted") || told != 1 {
		t.Errorf("the promotion was told %d times, and again after a restart: the store was not identified anew", told)
	}
}

// TestPromotedStandbyThatLackedDelivered promotes a standby that has not got
// what was delivered, and lets its WAL grow beyond the checkpoint before the
// program looks: no position tells that changes are missing, only the history
// of its timeline does.
func TestPromotedStandbyThatLackedDelivered(t *testing.T) {
	t.Parallel()
	w, p := newPair(t, "rest")
	w.awaitStandby()
	if err := w.standby.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	reached := w.value("SELECT pg_current_wal_lsn()")

	// It may not look before the new primary has written more.
	p.signal(t, syscall.SIGSTOP)
	// The primary first: a standby that finds it alive gets what it lacks.
	w.killPrimary()
	if err := w.standby.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.promote()
	w.exec(`UPDATE items SET version = version + 100`)
	for w.value("SELECT pg_current_wal_lsn() > $1::text::pg_lsn", reached) != "true" {
		w.exec(`UPDATE items SET version = version + 1`)
	}
	w.exec(`UPDATE items SET version = version + 1`)
	calls := len(w.writes())
	p.signal(t, syscall.SIGCONT)
	for life := range 2 {
		if got := p.exit(t, time.Minute); got != 3 {
			t.Errorf("life %d: exit code = %d, want 3", life, got)
		}
		if !strings.Contains(p.output.String(), "wrong_timeline") {
			t.Errorf("life %d: it does not say wrong_timeline", life)
		}
		p = w.launch()
	}
	if got := p.exit(t, time.Minute); got != 3 {
		t.Errorf("exit code = %d, want 3", got)
	}
	check := launch(t, program, "check", "-c", w.configure())
	if got := check.exit(t, time.Minute); got != 3 || !strings.Contains(check.output.String(), "wrong_timeline") {
		t.Errorf("check: exit code = %d, want 3 with the code wrong_timeline", got)
	}
	if got := len(w.writes()); got != calls {
		t.Errorf("%d calls were made", got-calls)
	}

	// Accepted: what the new primary has is delivered, all of it, wherever the
	// old one stood.
	p = w.launchAccepting(named(t, check.output.String()))
	w.awaitReady(p)
	w.settle(p)
	w.itemsAgree()
	p.stop(t)
}
