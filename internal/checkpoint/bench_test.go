package checkpoint_test

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
