package acceptance_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// metric returns the value of a metric without labels; false when it is absent.
func (w *world) metric(name string) (float64, bool) {
	w.t.Helper()
	_, body := w.get("/metrics")
	m := regexp.MustCompile(`(?m)^cdcsync_` + name + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return v, true
}

// TestRetainedWAL has a slot held while WAL is written, on a server that drops
// slots which keep 64 MB: beyond max_retained_wal the daemon is not ready, and
// tells truly how much is kept, how much more may be, and for how long.
func TestRetainedWAL(t *testing.T) {
	oneAPI(t, "soap", func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, map[string]string{"max_slot_wal_keep_size": "64MB"})
		w := newItems(t, c, api, 20, simulator.Options{})
		w.config.maxRetained, w.config.maxDeletes = "8MiB", 5
		w.exec(`CREATE TABLE busy (n int, pad text)`)
		p := w.start()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		w.exec(`DELETE FROM items WHERE id > 10`)
		w.awaitState("deletes_held")
		slot := func(column string) float64 {
			v, err := strconv.ParseFloat(w.value(`SELECT `+column+` FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		write := func() { w.exec(`INSERT INTO busy SELECT i, repeat('x', 500) FROM generate_series(1, 1000) i`) }

		// Half a megabyte again and again: it is measured beside what is told.
		from, began := slot("safe_wal_size"), time.Now()
		var drop float64
		await(t, 50*time.Second, func() (bool, string) {
			write()
			time.Sleep(200 * time.Millisecond)
			var told bool
			drop, told = w.metric("source_drop_seconds")
			return told, "no time is told until the slot is dropped"
		})
		left := slot("safe_wal_size")
		if true := left / ((from - left) / time.Since(began).Seconds()); drop < true/2 || drop > true*2 {
			t.Errorf("told is that the slot is dropped in %.0f s, want about %.0f s", drop, true)
		}
		for slot("pg_current_wal_lsn() - restart_lsn") < 9<<20 {
			write()
		}
		w.awaitState("wal_retained")
		retained, _ := w.metric("source_retained_bytes")
		safe, told := w.metric("source_safe_bytes")
		if is := slot("pg_current_wal_lsn() - restart_lsn"); retained < is*9/10 || retained > is*11/10 {
			t.Errorf("told is that %.0f bytes are kept, want about %.0f", retained, is)
		}
		if is := slot("safe_wal_size"); !told || safe < is*9/10 || safe > is*11/10 {
			t.Errorf("told is that %.0f bytes are safe, want about %.0f", safe, is)
		}
		if most, _ := w.metric("source_retained_limit_bytes"); most != 8<<20 {
			t.Errorf("the limit is told as %.0f", most)
		}
		output, code := w.command("status")
		if code != 1 || !strings.Contains(output, "delivery.max_retained_wal allows 8192 KiB") || !regexp.MustCompile(`WAL kept +\S+ MiB of 8\.0 MiB; after .* may drop the slot, in .* at this rate`).MatchString(output) {
			t.Errorf("status: exit code %d:\n%s", code, output)
		}
		output, _ = w.command("check")
		if !strings.Contains(output, "beyond 64 MiB (max_slot_wal_keep_size) PostgreSQL drops the slot") || !strings.Contains(output, "more than delivery.max_retained_wal allows") {
			t.Errorf("check:\n%s", output)
		}
		p.awaitLog(t, "the slot makes postgresql keep more WAL than it may")

		if output, code := w.command("release", "items"); code != 0 {
			t.Fatalf("release: %d %s", code, output)
		}
		w.settle(p)
		p.stop(t)
		w.itemsAgree()
	})
}
