package sqlite_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func settledKey(key string, commit, seq uint64) checkpoint.Settled {
	return checkpoint.Settled{Key: key, Through: position(commit, seq)}
}

func settledTo(commit, seq uint64, except ...checkpoint.Unsettled) *checkpoint.SettledTo {
	return &checkpoint.SettledTo{Through: position(commit, seq), Except: except, Rules: []uint64{1, 1<<64 - 1}}
}

// One record takes the place of all that was settled up to it; what is settled
// beyond it, or later, is kept beside it; it goes when the checkpoint passes it.
func TestSettledToTakesThePlaceOfWhatWasSettled(t *testing.T) {
	s, path := identified(t)
	base := uint64(home.LSN)
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settledKey("a", base+10, 1), settledKey("b", base+10, 5)}})
	first := settledTo(base+10, 7, checkpoint.Unsettled{Key: "c", From: position(base+10, 3)}, checkpoint.Unsettled{Key: "cd", From: position(base+5, 1<<40)})
	save(t, s, checkpoint.Save{
		Settled:   []checkpoint.Settled{settledKey("d", base+10, 7), settledKey("e", base+20, 1)},
		SettledTo: first,
	})
	save(t, s, checkpoint.Save{Settled: []checkpoint.Settled{settledKey("c", base+10, 3)}})
	later := []checkpoint.Settled{settledKey("e", base+20, 1), settledKey("c", base+10, 3)}
	for range 2 {
		got := load(t, s)
		if !reflect.DeepEqual(got.SettledTo, first) || !reflect.DeepEqual(got.Settled, later) {
			t.Fatalf("got %+v and %v, want %+v and %v", got.SettledTo, got.Settled, first, later)
		}
		s = reopen(t, s, path)
	}

	second := settledTo(base+30, 1)
	save(t, s, checkpoint.Save{SettledTo: second})
	if got := load(t, s); !reflect.DeepEqual(got.SettledTo, second) || got.Settled != nil {
		t.Fatalf("got %+v and %v, want %+v alone", got.SettledTo, got.Settled, second)
	}
	for _, step := range []struct {
		checkpoint uint64
		rows       int
	}{{base + 30, 1}, {base + 31, 0}, {base + 32, 0}} {
		s = reopen(t, s, path)
		save(t, s, checkpoint.Save{Checkpoint: checkpoint.LSN(step.checkpoint)})
		if n := rows(t, s, "settled_to"); n != step.rows {
			t.Errorf("rows at +%d: got %d, want %d", step.checkpoint-base, n, step.rows)
		}
		if got := load(t, s).SettledTo; (got != nil) != (step.rows > 0) {
			t.Errorf("loaded at +%d: %+v", step.checkpoint-base, got)
		}
	}
}

// The file does not grow with what is settled while the checkpoint stands.
func TestSettledToKeepsTheFileSmall(t *testing.T) {
	s, _ := identified(t)
	base := uint64(home.LSN)
	const each = 1000
	most := 0
	for n := range 100 {
		sv := checkpoint.Save{}
		for i := range each {
			sv.Settled = append(sv.Settled, settledKey(fmt.Sprintf("items\x00%d", n*each+i), base+10, uint64(n*each+i)))
		}
		if n%10 == 9 {
			sv.SettledTo = settledTo(base+10, uint64((n+1)*each), checkpoint.Unsettled{Key: "items\x000", From: position(base+10, 0)})
		}
		save(t, s, sv)
		most = max(most, rows(t, s, "settled"))
	}
	if most > 10 {
		t.Errorf("%d rows of settled changes, want at most 10", most)
	}
	if got := load(t, s); len(got.Settled) != 0 || got.SettledTo == nil {
		t.Errorf("%d settled and %v are left", len(got.Settled), got.SettledTo)
	}
	var pages int
	if err := s.Writer().QueryRowContext(t.Context(), `SELECT page_count FROM pragma_page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if pages > 100 {
		t.Errorf("the file has %d pages, want at most 100", pages)
	}
}

func TestSettledToRecordFindsEveryFlippedBit(t *testing.T) {
	to := settledTo(1<<40, 7, checkpoint.Unsettled{Key: "a\x00b", From: position(1<<39, 9)}, checkpoint.Unsettled{Key: strings.Repeat("a", 300), From: position(1<<40, 1)})
	record := sqlite.SettledToRecord(to)
	if got, err := sqlite.ReadSettledTo(record); err != nil || !reflect.DeepEqual(got, to) {
		t.Fatalf("round trip: got %+v, %v, want %+v", got, err, to)
	}
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		if got, err := sqlite.ReadSettledTo(record); err == nil {
			t.Errorf("bit %d flipped: got %+v", bit, got)
		}
		record[bit/8] ^= 1 << (bit % 8)
	}
	for n := range record {
		if got, err := sqlite.ReadSettledTo(record[:n]); err == nil {
			t.Errorf("cut to %d bytes: got %+v, want an error", n, got)
		}
	}
}

// A record that is damaged is refused, as everything else is.
func TestDamagedSettledToIsRefused(t *testing.T) {
	s, path := identified(t)
	save(t, s, checkpoint.Save{SettledTo: settledTo(uint64(home.LSN)+10, 7)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, `UPDATE settled_to SET data = substr(data, 1, length(data) - 1)`)
	_, err := open(t, path).Load(t.Context())
	wantError(t, err, "load state", "settled to", "damaged")
}

// Lives that are killed before their log is emptied do not add up.
func TestLogOfKilledLivesIsEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	for life := range 8 {
		for n := range 8 {
			save(t, s, checkpoint.Save{SettledTo: settledTo(uint64(home.LSN)+10, uint64(n), checkpoint.Unsettled{Key: strings.Repeat("k", 1<<20)})})
		}
		next := filepath.Join(t.TempDir(), fmt.Sprint(life))
		for _, suffix := range []string{"", "-wal"} {
			writeFile(t, next+suffix, readFile(t, path+suffix))
		}
		path = next
		s = open(t, path)
	}
	if size := len(readFile(t, path+"-wal")); size > 40<<20 {
		t.Errorf("the log has %d MiB after 8 lives that were killed", size>>20)
	}
}
