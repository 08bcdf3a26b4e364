package delivery

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// upserts returns n writes with the keys from on.
func upserts(from, n int, city string) []mapping.Write {
	writes := make([]mapping.Write, n)
	for i := range writes {
		writes[i] = upsert(strconv.Itoa(from+i), city)
	}
	return writes
}

// answerWith answers all calls, those that follow, too, as outcome says of each
// key, until there are none for a second, and returns how many there were.
func (r *rig) answerWith(outcome func(id int) marketo.Outcome) int {
	r.t.Helper()
	n := 0
	for ; len(r.calls) > 0; n++ {
		call := r.calls[0]
		r.calls = r.calls[1:]
		outcomes := make([]marketo.Outcome, len(call.Batch.Objects))
		for i, o := range call.Batch.Objects {
			id, err := strconv.Atoi(o.Value(0).Text)
			if err != nil {
				r.t.Fatal(err)
			}
			outcomes[i] = outcome(id)
		}
		r.answer(call, outcomes...)
		r.pass(time.Second)
	}
	return n
}

func always(o marketo.Outcome) func(int) marketo.Outcome {
	return func(int) marketo.Outcome { return o }
}

func (r *rig) blocked() string { return r.m.Report(r.now).Mappings[0].Blocked }

// blockedRig is one whose first mapping is blocked, with 300 of 500 objects
// waiting.
func blockedRig(t *testing.T) *rig {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 50; c.Limits.ConcurrentCalls = 1 })
	r.commit(upserts(0, 500, "a")...)
	for range 3 {
		call := r.take(1)[0]
		outcomes := make([]marketo.Outcome, 50)
		for i := range outcomes {
			outcomes[i] = marketo.Reject
		}
		r.answer(call, outcomes...)
	}
	if r.blocked() == "" {
		t.Fatal("150 objects refused in three calls, and the mapping is not blocked")
	}
	return r
}

// Replies that confirm and refuse are bad luck, however much they refuse.
func TestReplyThatConfirmsAndRefusesNeverBlocks(t *testing.T) {
	for _, capacity := range []int{300, 100} {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = capacity })
		end := r.commit(upserts(0, 3000, "a")...)
		r.answerWith(func(id int) marketo.Outcome {
			if id%10 == 0 || capacity == 100 && id%10 < 9 {
				return marketo.Reject
			}
			return marketo.Confirmed
		})
		if got := r.m.Report(r.now); got.Pending != 0 || len(got.Stalled) > 0 || r.confirmed != end {
			t.Errorf("%d a call: pending %d, stalled %v, confirmed %s of %s", capacity, got.Pending, got.Stalled, r.confirmed, end)
		}
		if r.logged("mapping blocked") > 0 {
			t.Errorf("%d a call: the mapping was blocked meanwhile", capacity)
		}
	}
}

func TestMappingIsBlockedByEvidence(t *testing.T) {
	tests := []struct {
		name     string
		capacity int
		prepare  func(*rig)
		refused  int
		blocked  bool
	}{
		{"49 objects", 7, nil, 49, false},
		{"50 objects", 7, nil, 50, true},
		{"100 objects in two calls", 50, nil, 100, false},
		{"150 objects in three calls", 50, nil, 150, true},
		{"30 objects, one that is confirmed, 30 more", 7, func(r *rig) {
			r.commit(upserts(1000, 30, "a")...)
			r.pass(time.Second)
			r.answerWith(always(marketo.Reject))
			r.commit(upsert("2000", "a"))
			r.pass(time.Second)
			r.answerWith(always(marketo.Confirmed))
		}, 30, false},
		{"waiting for a lead", 7, func(r *rig) {
			r.commit(upserts(1000, 200, "a")...)
			r.pass(time.Second)
			r.answerWith(always(marketo.Wait))
		}, 40, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Capacity.Objects = tt.capacity; c.Limits.ConcurrentCalls = 1 })
			if tt.prepare != nil {
				tt.prepare(r)
			}
			r.commit(upserts(0, tt.refused, "a")...)
			r.pass(time.Second)
			r.answerWith(func(int) marketo.Outcome {
				if r.blocked() != "" {
					return marketo.Confirmed
				}
				return marketo.Reject
			})
			if was := r.logged("mapping blocked") > 0; was != tt.blocked {
				t.Errorf("blocked %v, want %v", was, tt.blocked)
			}
		})
	}
}

// Objects that are parked already say nothing new: however often they change
// and are refused again, the slot goes on.
func TestKnownRejectsNeverBlock(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 10 })
	for range 10 {
		// Something is confirmed in between while they become known.
		r.commit(append(upserts(0, 9, "bad"), upsert("1000", "good"))...)
		r.pass(time.Second)
		r.answerWith(func(id int) marketo.Outcome {
			if id < 1000 {
				return marketo.Reject
			}
			return marketo.Confirmed
		})
	}
	for i := range 5 {
		r.commit(upserts(10*i, 10, "bad")...)
		r.pass(time.Second)
		r.answerWith(always(marketo.Reject))
		r.commit(upsert("1000", strconv.Itoa(i)))
		r.pass(time.Second)
		r.answerWith(always(marketo.Confirmed))
	}
	var end LSN
	for i := range 10 {
		end = r.commit(upserts(0, 50, fmt.Sprint("worse", i))...)
		r.pass(2 * time.Second)
		r.answerWith(always(marketo.Reject))
	}
	if got := r.m.Report(r.now); r.blocked() != "" || got.Parked != 50 || r.confirmed != end {
		t.Errorf("blocked %q, parked %d, confirmed %s; want none, 50, %s", r.blocked(), got.Parked, r.confirmed, end)
	}
}

// Probes are full batches from all over what waits, ever further apart up to
// five minutes; what they refuse is not parked.
func TestProbesOfABlockedMapping(t *testing.T) {
	r := blockedRig(t)
	parked := r.m.Report(r.now).Parked
	seen := map[string]int{}
	most := firstProbe
	for i := range 12 {
		began := r.now
		for len(r.calls) == 0 {
			r.pass(100 * time.Millisecond)
		}
		if got := r.now.Sub(began); got < most/2-time.Second || got > most+time.Second {
			t.Errorf("probe %d after %s, want %s to %s", i, got, most/2, most)
		}
		most = min(2*most, lastProbe)
		probe := r.take(1)[0]
		if n := len(probe.Batch.Objects); n != 50 {
			t.Fatalf("probe %d carries %d objects, want a full batch", i, n)
		}
		outcomes := make([]marketo.Outcome, 50)
		far := 0
		for i, o := range probe.Batch.Objects {
			outcomes[i] = marketo.Reject
			seen[o.Value(0).Text]++
			if id, _ := strconv.Atoi(o.Value(0).Text); id > 350 {
				far++
			}
		}
		if far == 0 {
			t.Errorf("probe %d has none of the newest objects", i)
		}
		r.answer(probe, outcomes...)
	}
	if len(seen) < 250 {
		t.Errorf("twelve probes tried %d of some 350 objects", len(seen))
	}
	if got := r.m.Report(r.now).Parked; got != parked {
		t.Errorf("parked %d, want %d as before the probes", got, parked)
	}
	if r.blocked() == "" {
		t.Fatal("not blocked any more")
	}
}

// One confirmed object is enough.
func TestOneConfirmedObjectUnblocks(t *testing.T) {
	r := blockedRig(t)
	r.pass(10 * time.Second)
	outcomes := make([]marketo.Outcome, 50)
	for i := range outcomes {
		outcomes[i] = marketo.Reject
	}
	outcomes[20] = marketo.Confirmed
	r.answer(r.take(1)[0], outcomes...)
	if r.blocked() != "" {
		t.Fatal("still blocked")
	}
	r.answerWith(always(marketo.Confirmed))
	if got := r.m.Report(r.now); got.Pending != 0 || len(got.Stalled) > 0 {
		t.Errorf("pending %d, stalled %v after the cause is gone", got.Pending, got.Stalled)
	}
}

// Whoever fixed the cause and retries need not wait for the next probe.
func TestRetryProbesAtOnce(t *testing.T) {
	for _, under := range []bool{false, true} {
		r := blockedRig(t)
		for range 8 {
			r.pass(5 * time.Minute)
			for len(r.calls) > 0 {
				outcomes := make([]marketo.Outcome, 50)
				for i := range outcomes {
					outcomes[i] = marketo.Reject
				}
				r.answer(r.take(1)[0], outcomes...)
			}
		}
		if under {
			r.pass(5 * time.Minute)
		}
		reply := make(chan Acted, 1)
		r.step(Act{Keys: []string{upsert("1").Key}, Reply: reply})
		if acted := <-reply; acted.Done != 1 {
			t.Fatalf("acted %+v", acted)
		}
		call := r.take(1)[0]
		if under {
			outcomes := make([]marketo.Outcome, len(call.Batch.Objects))
			for i := range outcomes {
				outcomes[i] = marketo.Reject
			}
			r.answer(call, outcomes...)
			call = r.take(1)[0]
		}
		r.answer(call)
		if r.blocked() != "" {
			t.Errorf("probe under way %v: still blocked", under)
		}
	}
}

// A probe that is refused as a whole may have one object to blame: the next one
// is smaller, and another.
func TestProbeThatIsRefusedAsAWholeShrinks(t *testing.T) {
	r := blockedRig(t)
	var sizes []int
	for range 9 {
		r.pass(5 * time.Minute)
		call := r.take(1)[0]
		sizes = append(sizes, len(call.Batch.Objects))
		r.fail(call, marketo.FaultRefused)
	}
	if got := fmt.Sprint(sizes); got != "[50 25 12 6 3 1 1 1 1]" {
		t.Errorf("probes of %s objects", got)
	}
	r.pass(5 * time.Minute)
	r.answer(r.take(1)[0])
	if r.blocked() != "" {
		t.Error("still blocked")
	}
}

// Neither lane of a mapping keeps the other from being probed.
func TestLanesTakeTurnsAtProbing(t *testing.T) {
	r := blockedRig(t)
	var deletes []mapping.Write
	for i := range 60 {
		deletes = append(deletes, write(marketo.Delete, strconv.Itoa(5000+i)))
	}
	r.commit(deletes...)
	got := map[marketo.Operation]int{}
	for range 6 {
		r.pass(5 * time.Minute)
		call := r.take(1)[0]
		got[call.Batch.Operation]++
		outcomes := make([]marketo.Outcome, len(call.Batch.Objects))
		for i := range outcomes {
			outcomes[i] = marketo.Reject
		}
		r.answer(call, outcomes...)
	}
	if got[marketo.Upsert] != 3 || got[marketo.Delete] != 3 {
		t.Errorf("probes %v, want three each", got)
	}
}

// A mapping that may park nothing more goes on as soon as there is room.
func TestFullyParkedMappingGoesOnWhenThereIsRoom(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Capacity.Objects = 5; c.MaxParked = 3 })
	end := r.commit(upserts(0, 5, "bad")...)
	r.answerWith(always(marketo.Reject))
	if got := r.m.Report(r.now); r.blocked() == "" || got.Parked != 3 {
		t.Fatalf("blocked %q, parked %d", r.blocked(), got.Parked)
	}
	for _, id := range []string{"0", "1", "2"} {
		reply := make(chan Acted, 1)
		r.step(Act{Keys: []string{upsert(id).Key}, Discard: true, Reply: reply})
		<-reply
	}
	r.pass(10 * time.Second)
	r.answerWith(always(marketo.Reject))
	r.pass(10 * time.Second)
	if got := r.m.Report(r.now); r.confirmed != end || len(got.Stalled) > 0 {
		t.Errorf("confirmed %s of %s, stalled %v", r.confirmed, end, got.Stalled)
	}
}
