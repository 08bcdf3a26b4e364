package replication

import "testing"

func TestVisibleIn(t *testing.T) {
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
		got, err := visibleIn(tt.snapshot, tt.xid)
		if err != nil || got != tt.want {
			t.Errorf("visibleIn(%q, %d) = %v, %v; want %v", tt.snapshot, tt.xid, got, err, tt.want)
		}
	}
	if epoch != 21474836480 {
		t.Fatal("the table's epoch is wrong")
	}
	for _, bad := range []string{"", "1:2", "a:2:", "1:b:", "1:2:3:4"} {
		if _, err := visibleIn(bad, 1); err == nil {
			t.Errorf("visibleIn(%q) is no error", bad)
		}
	}
}
