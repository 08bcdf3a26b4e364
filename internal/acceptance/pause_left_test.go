package acceptance_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestPausedMappingLeavesMemoryToOthers pauses a mapping while far more comes of it
// than memory may hold. What is more than its share waits in PostgreSQL, and the
// other mapping goes on, over a kill, too. Resumed, it goes on in the same process:
// nothing is lost, nothing of the other goes again, and no key goes back.
func TestPausedMappingLeavesMemoryToOthers(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		w.config.maxPending, w.config.timeout, w.config.hold = 400, 2*time.Second, 2500*time.Millisecond
		p := w.start()
		w.exec(`UPDATE items SET version = 1; INSERT INTO others SELECT i, 0 FROM generate_series(1, 5) i`)
		w.settle(p)
		w.succeeds("pause", "items")
		goesOn := func() {
			t.Helper()
			w.exec(`UPDATE others SET version = version + 1`)
			want, began := w.value(`SELECT max(version) FROM others`), time.Now()
			await(t, time.Minute, func() (bool, string) {
				return w.sim.Objects("Other")["5"]["version"] == want, "the other mapping stands: " + w.status().Reason
			})
			t.Logf("the other mapping has delivered after %s", time.Since(began).Round(time.Millisecond))
		}
		w.exec(`INSERT INTO items SELECT i, 1, 'pad' FROM generate_series(11, 2000) i`) // one transaction
		committed := w.lsn(`SELECT pg_current_wal_lsn()`)
		w.exec(`UPDATE items SET version = 2 WHERE id <= 1000`)
		goesOn()
		p.awaitLog(t, "paused mapping has its share of memory")
		left := w.tellsOfWhatIsLeft()
		w.exec(`DELETE FROM items WHERE id % 7 = 0`)
		for range 2 {
			p.kill()
			p = w.launch()
			w.awaitState("mapping_paused")
			w.exec(`UPDATE items SET version = version + 1 WHERE id % 3 = 0`)
			goesOn()
			if again := w.tellsOfWhatIsLeft(); again > left {
				t.Errorf("after a kill %s is left from on, before it was %s", again, left)
			}
		}
		if got := w.confirmed(); got >= committed {
			t.Errorf("the slot was told %s, what is paused was committed by %s", got, committed)
		}
		if n := len(w.sim.Objects("Item")); n != 10 {
			t.Fatalf("%d objects of a paused mapping, want the 10 of before", n)
		}
		written, pid := w.writesOf("Other"), p.cmd.Process.Pid
		if output := w.succeeds("resume", "items"); !strings.Contains(output, "resumed: items") {
			t.Errorf("resume: %s", output)
		}
		p.awaitLog(t, "begins anew")
		w.awaitReady(p)
		w.settle(p)
		if p.cmd.Process.Pid != pid || p.ended() {
			t.Error("it is another process")
		}
		w.itemsAgree()
		w.neverBack()
		if n := w.writesOf("Other") - written; n != 0 {
			t.Errorf("%d objects of the other mapping went again", n)
		}
		goesOn()
		// Paused for a moment, it goes on as it is.
		w.succeeds("pause", "items")
		w.exec(`UPDATE items SET version = version + 1 WHERE id <= 10`)
		w.succeeds("resume", "items")
		w.settle(p)
		w.itemsAgree()
		if n := strings.Count(p.output.String(), "begins anew"); n != 1 {
			t.Errorf("it began anew %d times", n)
		}
		p.stop(t)
	})
}

// tellsOfWhatIsLeft checks that people and programs are told that what comes of items
// is left in PostgreSQL, and that nothing is broken. It returns from where on.
func (w *world) tellsOfWhatIsLeft() (from string) {
	w.t.Helper()
	await(w.t, time.Minute, func() (bool, string) {
		s := w.status()
		from = s.Report.Mappings[0].LeftFrom
		return from != "", fmt.Sprintf("nothing is left: %+v", s.Report.Mappings[0])
	})
	m := w.status().Report.Mappings[0]
	if m.Stopped != "" || m.Paused == "" || m.PausedWAL == 0 || m.Pending < 100 || m.Pending > 110 {
		w.t.Errorf("the API says %+v", m)
	}
	output, _ := w.command("status")
	for _, text := range []string{"items is paused", "of WAL are kept for it, and what came since " + from + " waits there", "on waits in postgresql"} {
		if !strings.Contains(output, text) {
			w.t.Errorf("status does not say %q:\n%s", text, output)
		}
	}
	_, metrics := w.get("/metrics")
	for _, line := range []string{`cdcsync_mapping_paused{mapping="items"} 1`, `cdcsync_mapping_stopped{mapping="items"} 0`} {
		if !strings.Contains(metrics, line+"\n") {
			w.t.Errorf("the metrics do not have %s", line)
		}
	}
	return from
}

// TestPausedAgainAndAgain pauses a mapping under load, for so long that changes are
// left in PostgreSQL, and has it go on, with kills, reloads and lost connections at
// random in between. No key goes back, and in the end all agrees.
func TestPausedAgainAndAgain(t *testing.T) {
	const keys = 400
	rounds := 12
	if *long {
		rounds = 100
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		w := newTwo(t, api)
		w.config.maxPending, w.config.timeout, w.config.hold = 200, 2*time.Second, 2500*time.Millisecond
		w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(11, $1::int) i`, keys)
		w.exec(`INSERT INTO others SELECT i, 0 FROM generate_series(1, 20) i`)
		p := w.start()
		load := w.startLoad(keys, 20, 4*time.Millisecond)
		stopOthers := w.every(20*time.Millisecond, `UPDATE others SET version = version + 1`)
		defer stopOthers()
		left := 0
		for round := range rounds {
			await(t, time.Minute, func() (bool, string) {
				output, code := w.command("pause", "items")
				return code == 0, output
			})
			time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
			switch what := rand.IntN(5); {
			case what < 2 && round%3 == 0:
				p.kill()
				p = w.launch()
				p.awaitLog(t, "msg=streaming")
			case what == 2 && w.activePID() != "":
				w.terminate()
			case what == 3:
				_, _ = w.command("reload")
			}
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			if s := w.status(); s.Report != nil && s.Report.Mappings[0].LeftFrom != "" {
				left++
			}
			await(t, time.Minute, func() (bool, string) {
				output, code := w.command("resume", "items")
				return code == 0, output
			})
			if round%4 == 3 {
				w.settle(p) // it has caught up
			}
		}
		stopOthers()
		load.stop()
		w.settle(p)
		w.awaitReady(p)
		p.stop(t)
		w.itemsAgree()
		versions := w.neverBack()
		if want := w.value(`SELECT max(version) FROM others`); w.sim.Objects("Other")["20"]["version"] != want {
			t.Errorf("the other mapping has %v, want version %s", w.sim.Objects("Other")["20"], want)
		}
		if left == 0 {
			t.Error("nothing was ever left in postgresql")
		}
		t.Logf("%d pauses, %d with changes left, %d versions in %d calls", rounds, left, versions, len(w.writes()))
	})
}
