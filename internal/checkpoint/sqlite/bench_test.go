package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// BenchmarkSave is one REST call's worth of settled objects, with a checkpoint
// that lags one call behind, as it does at speed.
func BenchmarkSave(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("300 settled, sync %v", sync), func(b *testing.B) { benchmarkSave(b, sync) })
	}
}

func benchmarkSave(b *testing.B, sync bool) {
	const settled = 300
	s := open(b, filepath.Join(b.TempDir(), "state.db"))
	if err := s.Identify(b.Context(), home); err != nil {
		b.Fatal(err)
	}
	entries := make([]checkpoint.Settled, settled)
	keys := make([]string, settled)
	for i := range entries {
		keys[i] = fmt.Sprintf("0\x00lead-%07d\x00%d", i, 1_000_000+i)
		entries[i].Key = keys[i]
	}
	n := uint64(home.LSN)
	calls := uint64(0)
	for b.Loop() {
		for i := range entries {
			n += 100
			entries[i].Through = position(n, 1)
		}
		calls++
		save(b, s, checkpoint.Save{
			Checkpoint: checkpoint.LSN(n - 100*settled + 1),
			Started:    []checkpoint.Call{{ID: calls, Keys: keys}},
			Ended:      []uint64{calls - 1},
			Settled:    entries,
			Sync:       sync,
		})
	}
	b.ReportMetric(float64(b.N*settled)/b.Elapsed().Seconds(), "settled/s")
}

// BenchmarkSaveCalls is what a save is at full speed, with lifted limits: other
// calls take the place of those that ended, and all they had is below the
// checkpoint.
func BenchmarkSaveCalls(b *testing.B) {
	for _, keys := range []int{0, 100, 300} {
		b.Run(fmt.Sprintf("5 calls of %d keys", keys), func(b *testing.B) { benchmarkSaveCalls(b, keys) })
	}
}

func benchmarkSaveCalls(b *testing.B, keys int) {
	const calls = 5
	s := open(b, filepath.Join(b.TempDir(), "state.db"))
	if err := s.Identify(b.Context(), home); err != nil {
		b.Fatal(err)
	}
	lists := make([][]string, 64)
	for i := range lists {
		for k := range keys {
			lists[i] = append(lists[i], fmt.Sprintf("visits\x00%d\x00", 1_000_000_000+(i*keys*7+k*(1+i%3))*7919%899_999_999))
		}
	}
	var sv checkpoint.Save
	id, lsn := uint64(0), home.LSN
	b.ReportAllocs()
	for b.Loop() {
		sv.Ended, sv.Started = sv.Ended[:0], sv.Started[:0]
		for range calls {
			if id++; id > calls {
				sv.Ended = append(sv.Ended, id-calls)
			}
			sv.Started = append(sv.Started, checkpoint.Call{ID: id, Keys: lists[id%uint64(len(lists))]})
		}
		lsn += 10_000
		sv.Checkpoint, sv.Sent = lsn, position(uint64(lsn)+5000, id%300)
		sv.Quota = &checkpoint.Quota{Day: "2025-11-23", Calls: int(id)}
		save(b, s, sv)
	}
}
