package pgoutput

import "testing"

func TestTransactions(t *testing.T) {
	const epoch = 5 << 32
	for _, tt := range []struct {
		snapshot string
		xid      uint32
		want     bool
	}{
		{"100:100:", 99, true},
		{"100:100:", 100, false},
		{"100:105:100,103", 100, false},
		{"100:105:100,103", 101, true},
		{"100:105:100,103", 103, false},
		{"100:105:100,103", 105, false},
		{"4294967400:4294967401:", 4_000_000_000, true}, // of the epoch before
		{"100:100:", 0, true},
		{"100:100:", 100 + 1<<30 - 1, false},
		{"100:100:", 100 + 1<<30, true},
		{"100:100:", 1<<32 - 1, true},
		{"50:100:60", 60, false},
		{"3:100:3", 100 + 1<<31, true},
		{"21474836480:21474836482:21474836481", 1, false},
		{"21474836480:21474836482:21474836481", 2, false},
		{"21474836480:21474836482:21474836481", 1<<31 + 5, true},
		{"21474836480:21474836482:21474836480", 1, true},
		{"21474836480:21474836482:21474836480", 1<<32 - 1, true},
		{"21474836470:21474836482:21474836479", 1<<32 - 1, false},
	} {
		seen, err := ParseTransactions(tt.snapshot)
		if got := seen.See(tt.xid); err != nil || got != tt.want {
			t.Errorf("%q sees %d: %v, %v; want %v", tt.snapshot, tt.xid, got, err, tt.want)
		}
	}
	if epoch != 21474836480 {
		t.Fatal("the table's epoch is wrong")
	}
	for _, bad := range []string{"", "1:2", "a:2:", "1:b:", "1:2:c", "1:2:3:4"} {
		if _, err := ParseTransactions(bad); err == nil {
			t.Errorf("snapshot %q is no error", bad)
		}
	}
}

// What is not on disk may be taken by a crash, and its number goes to another.
func TestTransactionsOfTheStream(t *testing.T) {
	seen := &Transactions{Xmin: 100, Xmax: 105, Running: []uint64{103}, Flushed: 5000, Timeline: 2}
	for _, tt := range []struct {
		name     string
		of       *Transactions
		xid      uint32
		commit   LSN
		timeline int32
		want     bool
	}{
		{"seen", seen, 104, 4999, 2, true},
		{"running", seen, 103, 4999, 2, false},
		{"to come", seen, 105, 4999, 2, false},
		{"not on disk", seen, 104, 5000, 2, false},
		{"of another timeline", seen, 104, 4999, 3, false},
		{"number not known", seen, 0, 4999, 2, false},
		{"a standby's snapshot", &Transactions{Xmin: 100, Xmax: 105}, 99, 4999, 0, false},
		{"nothing known", nil, 99, 4999, 2, false},
	} {
		if got := tt.of.SeeStreamed(tt.xid, tt.commit, tt.timeline); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
