package delivery

import (
	"testing"

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
