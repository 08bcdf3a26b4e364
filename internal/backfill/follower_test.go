package backfill_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func snapshot(t *testing.T, text string) *backfill.Snapshot {
	t.Helper()
	seen, err := pgoutput.ParseTransactions(text)
	if err != nil {
		t.Fatal(err)
	}
	return &backfill.Snapshot{Transactions: seen}
}

// opened returns a follower with an open window that the snapshot was admitted to.
func opened(t *testing.T, s *backfill.Snapshot) *backfill.Follower {
	t.Helper()
	f := backfill.Follow(1000)
	f.Bound(50)
	f.Open()
	if !f.Admits(s) {
		t.Fatal("not admitted")
	}
	return f
}

// commit brings a transaction with these steps.
func commit(f *backfill.Follower, xid uint32, start pgoutput.LSN, steps ...func()) {
	f.Reach(start)
	f.Begin(xid, start)
	for _, step := range steps {
		step()
	}
	f.Commit(start + 10)
}

func TestFates(t *testing.T) {
	s := snapshot(t, "100:110:100,105")
	for _, tt := range []struct {
		name        string
		xid         uint32
		step        func(*backfill.Follower)
		kept, again []int
	}{
		{"nothing", 105, func(*backfill.Follower) {}, []int{0, 1, 2}, nil},
		{"seen", 101, func(f *backfill.Follower) { f.Touch("a", true); f.Empty(); f.Obscure() }, []int{0, 1, 2}, nil},
		{"unseen", 105, func(f *backfill.Follower) { f.Touch("b", false); f.Touch("x", false) }, []int{0, 2}, nil},
		{"begun later", 110, func(f *backfill.Follower) { f.Touch("b", false) }, []int{0, 2}, nil},
		{"not whole", 105, func(f *backfill.Follower) { f.Touch("c", true); f.Touch("c", false) }, []int{0, 1}, []int{2}},
		{"emptied", 105, func(f *backfill.Follower) { f.Touch("a", true); f.Empty() }, nil, nil},
		{"obscure", 105, func(f *backfill.Follower) { f.Touch("a", false); f.Obscure() }, nil, []int{0, 1, 2}},
	} {
		for _, late := range []bool{false, true} {
			f := opened(t, s)
			mark := backfill.Mark{LSN: 3000}
			if !late {
				commit(f, tt.xid, 2000, func() { tt.step(f) })
			}
			if !f.Load(*s, []string{"a", "b", "c"}, mark) || f.Passed() {
				t.Fatalf("%s: not loaded, or passed", tt.name)
			}
			if late {
				commit(f, tt.xid, 2000, func() { tt.step(f) })
			}
			if f.Passed() {
				t.Fatalf("%s: passed before its mark", tt.name)
			}
			f.Reach(3000)
			if !f.Passed() {
				t.Fatalf("%s: the mark is not passed", tt.name)
			}
			if v := f.Settle(); !slices.Equal(v.Kept, tt.kept) || !slices.Equal(v.Again, tt.again) {
				t.Errorf("%s, late %v: %+v; want %v kept, %v again", tt.name, late, v, tt.kept, tt.again)
			}
		}
	}
}

// TestMarks: a message passes with the end of its transaction, a position between
// two.
func TestMarks(t *testing.T) {
	s := snapshot(t, "100:100:")
	f := opened(t, s)
	f.Load(*s, []string{"a"}, backfill.Mark{LSN: 9000, Name: "ours"})
	commit(f, 101, 2000, func() { f.Message("another") })
	if f.Passed() {
		t.Error("another's message passes")
	}
	f.Begin(102, 2010)
	f.Message("ours")
	f.Reach(9000)
	if f.Passed() {
		t.Error("passed inside a transaction")
	}
	if f.Commit(2020); !f.Passed() {
		t.Error("the message does not pass")
	}
	// One that is about to be written passes with its message, or once its place is
	// known that the stream has come to.
	for _, message := range []bool{true, false} {
		f.Settle()
		f.Open()
		s = snapshot(t, "104:104:")
		if !f.Admits(s) || !f.Load(*s, nil, backfill.Mark{LSN: backfill.Unplaced, Name: "later"}) || f.Passed() {
			t.Fatal("a mark that is not there is passed")
		}
		if message {
			commit(f, 103, 2030, func() { f.Message("later") })
		} else if f.Place(2025); !f.Passed() {
			t.Error("a mark whose place the stream has come to is not passed")
		}
		if !f.Passed() {
			t.Error("the message does not pass")
		}
	}
	// What the stream has brought already is passed at once.
	f.Settle()
	f.Open()
	s = snapshot(t, "104:104:")
	if !f.Admits(s) || !f.Load(*s, nil, backfill.Mark{LSN: 2015}) || !f.Passed() {
		t.Error("a mark that the stream has come to is not passed")
	}
}

// TestAdmission: a snapshot must see what has come before the window, and what may
// have come before the stream was followed.
func TestAdmission(t *testing.T) {
	f := backfill.FollowInside(1000, 90, 1005)
	f.Open()
	if f.Admits(snapshot(t, "80:99:80,90,95")) {
		t.Error("admitted without a bound")
	}
	f.Bound(100)
	for _, tt := range []struct {
		snapshot string
		want     bool
	}{
		{"80:99:80,90,95", false},  // older than the bound
		{"80:101:80,90,95", false}, // the stream was in one of them
		{"80:101:80,95", false},    // both may have come
		{"95:102:95,101", false},   // 101 was begun later
	} {
		if got := f.Admits(snapshot(t, tt.snapshot)); got != tt.want {
			t.Errorf("%s: %v", tt.snapshot, got)
		}
	}
	if got := f.Unclear(); !slices.Equal(got, []uint64{95}) {
		t.Errorf("waits for %v", got)
	}
	f.Commit(1015)
	commit(f, 95, 1015) // in the window, so that it counts there
	if !f.Admits(snapshot(t, "95:103:95,101")) {
		t.Error("not admitted although what ran has come")
	}
	s := snapshot(t, "95:103:95,101")
	f.Load(*s, nil, backfill.Mark{LSN: 1})
	f.Settle()
	f.Open()
	if f.Admits(s) {
		t.Error("admitted although what came before the window is not seen")
	}
	if f.Forget(snapshot(t, "104:104:")); f.Unseen() != 0 || !f.Admits(snapshot(t, "104:104:")) {
		t.Error("what is seen is not forgotten")
	}
}

// TestStandby: what a standby shows goes by its log.
func TestStandby(t *testing.T) {
	f := backfill.Follow(1000)
	f.Open()
	s := &backfill.Snapshot{Standby: true, Replayed: 999}
	if f.Admits(s) {
		t.Error("admitted although it is behind the stream")
	}
	s.Replayed = 1500
	if !f.Admits(s) {
		t.Error("not admitted")
	}
	commit(f, 7, 1490, func() { f.Touch("a", false) })
	commit(f, 3, 1500, func() { f.Touch("b", false) })
	f.Load(*s, []string{"a", "b"}, backfill.Mark{LSN: 1510})
	if v := f.Settle(); !slices.Equal(v.Kept, []int{0}) {
		t.Errorf("kept %v", v.Kept)
	}
	f.Open()
	if f.Admits(s) {
		t.Error("admitted although it does not see the last commit")
	}
}

// TestTooMany: a window that could not note everything takes no rows.
func TestTooMany(t *testing.T) {
	s := snapshot(t, "100:100:")
	f := opened(t, s)
	f.Begin(101, 2000)
	for i := range 1<<18 + 1 {
		f.Touch(strconv.Itoa(i), false)
	}
	f.Commit(2010)
	if f.Load(*s, []string{"a"}, backfill.Mark{LSN: 3000}) {
		t.Error("loaded")
	}
	f.Open()
	s = snapshot(t, "102:102:")
	if !f.Admits(s) || !f.Load(*s, []string{"a"}, backfill.Mark{LSN: 3000}) {
		t.Error("another window takes nothing")
	}
}
