package delivery

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// A connection that breaks again while a transaction is being skipped must not
// make the reader hand over changes for a second time.
func TestTransactionThatIsCutTwiceIsSkippedAsFarAsItCame(t *testing.T) {
	var r reader
	begin := &replication.Begin{Final: 100}
	for _, came := range []uint64{10, 3, 0, 12} {
		if err := r.begin(begin); err != nil {
			t.Fatal(err)
		}
		r.seq = came
	}
	if err := r.begin(begin); err != nil {
		t.Fatal(err)
	}
	if r.skip != 12 || r.seq != 0 {
		t.Errorf("skip %d from %d, want 12 from 0", r.skip, r.seq)
	}
	if len(r.entries) != 1 {
		t.Errorf("transaction begun %d times, want once", len(r.entries))
	}
}

func TestPauseGrowsOnlyWhileConnectionsBringNothing(t *testing.T) {
	tests := []struct {
		name     string
		progress bool
		lasted   time.Duration
		want     int
	}{
		{"nothing came", false, time.Second, 8},
		{"nothing came for long", false, 61 * time.Second, 1},
		{"changes came", true, time.Second, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := failed(7, tt.progress, tt.lasted); got != tt.want {
				t.Errorf("failures in a row = %d, want %d", got, tt.want)
			}
		})
	}
	if first, eighth := pause(errStopped, 1), pause(errStopped, 8); first > 400*time.Millisecond || eighth < 10*time.Second {
		t.Errorf("pauses %s and %s, want at most 400ms and at least 10s", first, eighth)
	}
}
