package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// capacity is how many objects a call takes.
var capacity = map[string]int{"soap": 100, "rest": 300}

// onTheWay is the most calls whose rows a kill has sent again.
const onTheWay = 20

// rowsOfCalls makes items hold rows for so many calls.
func (w *world) rowsOfCalls(calls int) int {
	w.t.Helper()
	rows := calls * capacity[w.api]
	w.exec(`INSERT INTO items SELECT i, 0, 'pad' FROM generate_series(1, $1::bigint) i`, rows)
	return rows
}

// sentRows counts how often objects of a backfill were sent: those that nothing
// else changes.
func (w *world) sentRows(above int64) (objects, repeated int) {
	w.t.Helper()
	for id, writes := range w.log().Writes {
		var n int64
		if _, err := fmt.Sscan(id, &n); err != nil || n <= above {
			continue
		}
		objects++
		repeated += len(writes) - 1
	}
	return objects, repeated
}

// TestBackfillKilled kills the program again and again on the way: what a kill
// repeats is what is on its way, and at the end all is there, as it is.
func TestBackfillKilled(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		const changing, kills = 200, 4
		w := newItems(t, server, api, 0, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 60 * time.Millisecond}})
		w.config.mappings = backfilled
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 4, calls_per_day: 0}"
		w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
		rows := w.rowsOfCalls(150)
		p := w.start()
		load := w.startLoad(changing, 5, 5*time.Millisecond)
		killed := 0
		for range kills {
			calls := len(w.writes())
			await(t, time.Minute, func() (bool, string) { return len(w.writes()) > calls+10+rand.IntN(15), "no calls are made" })
			p.kill()
			killed++
			p = w.start()
		}
		w.awaitBackfill(p, "done")
		load.stop()
		w.settle(p)
		w.itemsAgree()
		objects, repeated := w.sentRows(changing)
		t.Logf("%d calls again after %d kills", repeated/capacity[api], killed)
		if objects != rows-changing || repeated > killed*onTheWay*capacity[api] {
			t.Errorf("%d rows were sent, of %d, and %d of them again after %d kills", objects, rows-changing, repeated, killed)
		}
		p.stop(t)
	})
}

// TestBackfillGoesNotFarBeyondWhatIsHeld: as long as calls of an earlier life may have
// keys of a piece, that is not settled, and all that is sent behind it comes again after
// the next kill.
func TestBackfillGoesNotFarBeyondWhatIsHeld(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 100 * time.Millisecond}})
		w.config.mappings = backfilled
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 10, calls_per_day: 0}"
		w.config.timeout, w.config.hold = 2*time.Second, time.Minute
		w.rowsOfCalls(200)
		p := w.start()
		await(t, time.Minute, func() (bool, string) { return len(w.writes()) > 12, "no calls are made" })
		p.kill()
		p = w.launch() // it is not ready while keys wait
		p.awaitLog(t, "calls of the last run may still be executing")
		before := len(w.writes())
		time.Sleep(3 * time.Second)
		calls := len(w.writes()) - before
		if calls == 0 || calls > onTheWay {
			t.Errorf("%d calls while the first piece is held, want %d at most", calls, onTheWay)
		}
		p.kill()
	})
}

// TestBackfillStands pauses, resumes and cancels, over restarts.
func TestBackfillStands(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{RecordHistory: true, Latency: simulator.Latency{Fixed: 50 * time.Millisecond}})
		w.config.mappings = backfilled
		w.config.limits = "{calls_per_20s: 0, concurrent_calls: 2, calls_per_day: 0}"
		rows := w.rowsOfCalls(60)
		p := w.start()
		stand := func(args ...string) {
			t.Helper()
			if output, code := w.command(append([]string{"backfill"}, args...)...); code != 0 {
				t.Fatalf("backfill %v: exit code %d: %s", args, code, output)
			}
		}
		await(t, time.Minute, func() (bool, string) { return len(w.writes()) > 3, "no calls are made" })
		stand("pause")
		w.awaitBackfill(p, "paused")
		p.stop(t)
		p = w.start()
		if output, code := w.command("status"); code != 0 || !strings.Contains(output, "\nbackfill      items: paused, ") {
			t.Errorf("status does not tell of it: %d: %s", code, output)
		}
		if b := w.awaitBackfill(p, "paused"); b.Rows >= int64(rows) {
			t.Fatalf("nothing is left: %+v", b)
		}
		sent := w.sim.Stats().Objects
		time.Sleep(300 * time.Millisecond)
		if more := w.sim.Stats().Objects - sent; more != 0 {
			t.Errorf("%d objects were sent while it was paused", more)
		}
		stand("resume", "items")
		w.awaitBackfill(p, "done")
		if n := len(w.sim.Objects("Item")); n != rows {
			t.Errorf("%d objects for %d rows", n, rows)
		}

		stand("start", "--all", "--force")
		if output, code := w.command("backfill", "start", "items"); code == 0 || !strings.Contains(output, "has not ended") {
			t.Errorf("another beside it: exit code %d: %s", code, output)
		}
		stand("cancel", "items")
		w.awaitBackfill(p, "cancelled")
		p.stop(t)
		p = w.start()
		w.awaitBackfill(p, "cancelled")
		if output, code := w.command("backfill", "resume", "items"); code == 0 {
			t.Errorf("what was cancelled is resumed: %s", output)
		}
		p.stop(t)
	})
}

// TestBackfillOfSome sends rows by an expression and by keys.
func TestBackfillOfSome(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 1000, simulator.Options{RecordHistory: true})
		p := w.start()
		p.awaitLog(t, "rows that the table has already are not sent")
		p.awaitLog(t, "cdcsync backfill start items")
		for _, step := range []struct {
			args []string
			want int
		}{
			{[]string{"--where", "id % 10 == 3"}, 100},
			{[]string{"--keys", "5", "--keys", "13", "--keys", "7000"}, 101},
			{[]string{"--where", "id > 990", "--keys", "995", "--keys", "6"}, 102},
		} {
			if output, code := w.command(append([]string{"backfill", "start", "items"}, step.args...)...); code != 0 {
				t.Fatalf("%v: exit code %d: %s", step.args, code, output)
			}
			w.awaitBackfill(p, "done")
			if n := len(w.sim.Objects("Item")); n != step.want {
				t.Errorf("%v: %d objects, want %d", step.args, n, step.want)
			}
		}
		for _, args := range [][]string{{"items", "--where", "nothing > 3"}, {"items", "--where", "id >"}, {"other"}, {}} {
			if output, code := w.command(append([]string{"backfill", "start"}, args...)...); code == 0 {
				t.Errorf("%v: started: %s", args, output)
			}
		}
		p.stop(t)
	})
}

// TestBackfillWithoutKey fails where rows cannot be told apart, and says what is
// possible; changes go on. With a key it goes on.
func TestBackfillWithoutKey(t *testing.T) {
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 50, simulator.Options{RecordHistory: true})
		w.config.mappings = backfilled
		w.exec(`ALTER TABLE items DROP CONSTRAINT items_pkey`)
		w.exec(`ALTER TABLE items ALTER id DROP NOT NULL`)
		w.exec(`ALTER TABLE items REPLICA IDENTITY FULL`)
		p := w.start()
		if b := w.awaitBackfill(p, "failed"); !strings.Contains(b.Reason, "Add a primary key") {
			t.Errorf("the reason is %q", b.Reason)
		}
		w.exec(`UPDATE items SET version = 1 WHERE id <= 10`)
		w.settle(p)
		if n := len(w.sim.Objects("Item")); n != 10 {
			t.Errorf("%d objects of 10 changes", n)
		}
		w.exec(`ALTER TABLE items ADD PRIMARY KEY (id)`)
		if output, code := w.command("backfill", "resume"); code != 0 {
			t.Errorf("resume: %d: %s", code, output)
		}
		w.awaitBackfill(p, "done")
		w.itemsAgree()
		p.stop(t)
	})
}

// TestBackfillRefused keeps rows that Marketo refuses by key and code, apart from
// parked objects, and goes on.
func TestBackfillRefused(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 2000, simulator.Options{RecordHistory: true})
		w.config.mappings = backfilled
		w.config.maxParked = 5
		w.failing(simulator.Rule{Objects: &simulator.ObjectFault{Modulus: 20, Code: "1003", Message: "not this one"}})
		p := w.start()
		done := w.awaitBackfill(p, "done")
		if done.Refused != 100 || len(w.sim.Objects("Item")) != 1900 {
			t.Errorf("%d objects, and the backfill says %+v", len(w.sim.Objects("Item")), done)
		}
		output := w.succeeds("backfill", "list", "--refused", "--limit", "7")
		code := map[string]string{"soap": "   -     20", "rest": "   1003  20"}[api]
		for _, want := range []string{"KEY   CODE  REFUSED AT", "not this one", code, "and 93 more; --limit"} {
			if !strings.Contains(output, want) {
				t.Errorf("the list does not have %q:\n%s", want, output)
			}
		}
		var listed admin.Backfills
		if err := json.Unmarshal([]byte(w.succeeds("backfill", "list", "--refused", "--limit", "1000", "--json")), &listed); err != nil || len(listed.Backfills[0].RefusedRows) != 100 || listed.Backfills[0].RefusedRows[0].Code == "" && api == "rest" {
			t.Errorf("refused rows as JSON: %v, %+v", err, listed)
		}
		if output := w.succeeds("backfill", "list"); strings.Contains(output, "not this one") {
			t.Errorf("refused rows are listed unasked:\n%s", output)
		}
		if parked := w.parkedNow(); parked.Total != 0 {
			t.Errorf("%d objects are parked", parked.Total)
		}
		w.exec(`UPDATE items SET version = 1 WHERE id % 20 = 1`)
		w.settle(p)
		p.stop(t)
	})
}

// timed returns how long a statement took over a connection of its own.
func (w *world) timed(sql string) time.Duration {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.cluster.URL(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	began := time.Now()
	if _, err := conn.Exec(w.t.Context(), sql); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return time.Since(began)
}
