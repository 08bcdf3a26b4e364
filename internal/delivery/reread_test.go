package delivery

import (
	"errors"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// wantRow has a change of key 1 that needs its row, and returns the question.
func wantRow(t *testing.T, change func(*Config)) (*rig, LSN, uint64) {
	t.Helper()
	r := newRig(t, change)
	w := upsert("1", "a")
	w.Reread = true
	end := r.commit(w)
	if len(r.reads) != 1 {
		t.Fatalf("reads = %d, want 1", len(r.reads))
	}
	return r, end, r.reads[0].Read
}

// The row is there and does not match where: that it stopped matching in the
// change itself is something only the table can tell.
func TestRowThatStoppedMatching(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer RowRead
		want   string
	}{
		{"on_delete: delete", RowRead{State: RowDiffers, Removes: true, Write: write(marketo.Delete, "1")}, "DELETE[1,-,-]"},
		{"on_delete: set", RowRead{State: RowDiffers, Removes: true, Write: write(marketo.Update, "1", "-", "gone")}, "UPDATE[1,-,gone]"},
		{"on_delete: ignore", RowRead{State: RowDiffers, Write: write(marketo.Upsert, "1")}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, end, read := wantRow(t, nil)
			test.answer.Read = read
			r.step(test.answer)
			r.pass(time.Second)
			if test.want != "" {
				calls := r.take(1)
				r.want(calls, test.want)
				if r.confirmed == end {
					t.Error("settled before the removal is confirmed")
				}
				r.answer(calls[0])
				r.pass(time.Second)
			}
			r.take(0)
			if r.confirmed != end || r.m.Report(r.now).Pending != 0 {
				t.Errorf("confirmed %s of %s, pending %d", r.confirmed, end, r.m.Report(r.now).Pending)
			}
		})
	}
}

// What comes after the removal merges with it as with any other.
func TestChangeAfterARowThatStoppedMatching(t *testing.T) {
	r, _, read := wantRow(t, nil)
	r.step(RowRead{Read: read, State: RowDiffers, Removes: true, Write: write(marketo.Delete, "1")})
	r.commit(upsert("1", "b"))
	r.pass(time.Second)
	r.want(r.take(1), "UPSERT[1,b,null]")
}

func TestRetryOfAParkedObjectWhoseRowStoppedMatching(t *testing.T) {
	r := newRig(t, nil)
	r.commit(upsert("1", "a"))
	r.pass(time.Second)
	r.answer(r.take(1)[0], marketo.Wait)
	r.pass(5 * time.Minute)
	r.step(RowRead{Read: r.reads[0].Read, State: RowDiffers, Removes: true, Write: write(marketo.Delete, "1")})
	r.pass(time.Second)
	calls := r.take(1)
	r.want(calls, "DELETE[1,-,-]")
	r.answer(calls[0])
	if got := r.m.Report(r.now).Parked; got != 0 {
		t.Errorf("parked %d after the removal was confirmed, want 0", got)
	}
}

// A row that can never be read as it is holds nothing up.
func TestRowThatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		name, code string
		answer     RowRead
	}{
		{"shared key", "shared_key", RowRead{State: RowShared}},
		{"problem", "value", RowRead{Problem: &mapping.Problem{Code: "value", Message: "because"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, end, read := wantRow(t, nil)
			test.answer.Read = read
			r.step(test.answer)
			r.pass(time.Second)
			r.take(0)
			parked := r.m.parked.objects[upsert("1").Key]
			if r.confirmed != end || parked == nil || parked.Code != test.code {
				t.Fatalf("confirmed %s of %s, parked %+v", r.confirmed, end, parked)
			}
		})
		t.Run(test.name+", delivery.on_reject: halt", func(t *testing.T) {
			r, end, read := wantRow(t, func(c *Config) { c.HaltOnReject = true })
			test.answer.Read = read
			r.step(test.answer)
			r.pass(time.Second)
			if r.confirmed == end || r.m.Report(r.now).Parked != 0 {
				t.Errorf("confirmed %s of %s although delivery halts", r.confirmed, end)
			}
		})
	}
}

func TestRowIsAskedForAgainAfterWhatPasses(t *testing.T) {
	r, end, read := wantRow(t, nil)
	r.step(RowRead{Read: read, Err: errors.New("connection lost")})
	r.pass(time.Minute)
	if len(r.reads) != 2 || r.confirmed == end {
		t.Fatalf("reads = %d, confirmed %s of %s", len(r.reads), r.confirmed, end)
	}
}

// What only somebody's act ends is told at once, anything else when it lasts;
// and both are over with the first row that is read.
func TestRowsThatCannotBeReadAreToldOf(t *testing.T) {
	for _, setUp := range []bool{true, false} {
		r, end, _ := wantRow(t, nil)
		w := upsert("2", "a")
		w.Reread = true
		r.commit(w)
		refuse := func() {
			for _, e := range r.reads {
				r.step(RowRead{Read: e.Read, Err: errors.New("permission denied"), SetUp: setUp})
			}
			r.reads = nil
		}
		refuse()
		if got := r.obstacle(Unreadable); (got != "") != setUp {
			t.Errorf("of the set-up %v: told at once %q", setUp, got)
		}
		for range 12 {
			r.pass(10 * time.Second)
			refuse()
		}
		if got, want := r.obstacle(Unreadable), "rows of mapping visits cannot be read: permission denied"; got != want {
			t.Errorf("told after two minutes %q, want %q", got, want)
		}
		warned := r.logged("rows cannot be read")
		if warned != 1 || r.confirmed == end || r.m.Report(r.now).Parked != 0 {
			t.Errorf("warned %d times, confirmed %s of %s, parked %d", warned, r.confirmed, end, r.m.Report(r.now).Parked)
		}
		r.pass(20 * time.Second)
		r.step(RowRead{Read: r.reads[0].Read, State: RowMatches, Write: upsert("1", "b")})
		if got := r.obstacle(Unreadable); got != "" {
			t.Errorf("told after a row was read: %q", got)
		}
	}
}
