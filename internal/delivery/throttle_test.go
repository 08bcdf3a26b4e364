package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// serve answers every call for d as Marketo would, and returns how many were
// refused and how many passed.
func (r *rig) serve(d time.Duration, say func(n int) *marketo.Fault) (refused, passed int) {
	r.t.Helper()
	end := r.now.Add(d)
	for r.now.Before(end) {
		for len(r.calls) > 0 {
			call := r.calls[0]
			r.calls = r.calls[1:]
			if f := say(refused + passed); f != nil {
				refused++
				r.step(Answered{Call: call.Call, Reply: marketo.Reply{Fault: f}})
			} else {
				passed++
				r.answer(call)
			}
		}
		r.pass(100 * time.Millisecond)
	}
	return refused, passed
}

func fault(class marketo.FaultClass, code string) *marketo.Fault {
	return &marketo.Fault{Class: class, Code: code}
}

func (r *rig) condition() (Condition, string) {
	if all := r.m.Report(r.now).Stalled; len(all) > 0 {
		return all[0].Condition, all[0].Reason + ": " + all[0].Remedy
	}
	return "", ""
}

// While others take all there is, we ask ever less often, and are not called
// ready.
func TestThrottlingIsAnsweredByPauses(t *testing.T) {
	for _, tt := range []struct {
		fault *marketo.Fault
		most  int // in an hour
	}{
		{fault(marketo.FaultConcurrency, "615"), 130},
		{fault(marketo.FaultRate, "606"), 70},
	} {
		r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 50, ConcurrentCalls: 5, CallsPerDay: 10_000} })
		end := r.commit(upserts(0, 100, "a")...)
		if refused, _ := r.serve(2*time.Second, func(int) *marketo.Fault { return tt.fault }); refused > 7 {
			t.Errorf("%s: %d calls in two seconds", tt.fault.Code, refused)
		}
		if got, _ := r.condition(); got != "" {
			t.Errorf("%s: %s after two seconds", tt.fault.Code, got)
		}
		if refused, _ := r.serve(time.Hour, func(int) *marketo.Fault { return tt.fault }); refused > tt.most {
			t.Errorf("%s: %d calls in an hour, want at most %d", tt.fault.Code, refused, tt.most)
		}
		if got, _ := r.condition(); got != Throttled {
			t.Errorf("%s: %s after an hour, want throttled", tt.fault.Code, got)
		}
		r.serve(10*time.Minute, func(int) *marketo.Fault { return nil })
		if got, _ := r.condition(); got != "" || r.confirmed != end {
			t.Errorf("%s: %s, confirmed %s of %s when the others have ended", tt.fault.Code, got, r.confirmed, end)
		}
		if told := r.logged("marketo refuses calls") + r.logged("marketo takes calls again"); told != 2 {
			t.Errorf("%s: %d log lines, want one for the beginning and one for the end", tt.fault.Code, told)
		}
	}
}

// Where every other call is refused, most of the time is not spent on calls
// that are.
func TestThrottlingNowAndThenLetsCallsPass(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{ConcurrentCalls: 5} })
	end := r.commit(upserts(0, 300, "a")...)
	refused, passed := r.serve(10*time.Minute, func(n int) *marketo.Fault {
		if n%2 == 0 {
			return fault(marketo.FaultConcurrency, "615")
		}
		return nil
	})
	if r.confirmed != end || refused > passed+5 {
		t.Errorf("confirmed %s of %s, %d refused, %d passed", r.confirmed, end, refused, passed)
	}
}

// A wish of the server counts with every fault, and whatever else passes.
func TestRetryAfterIsGrantedForEveryFault(t *testing.T) {
	for class := marketo.FaultUnknown; class <= marketo.FaultTooLarge; class++ {
		r := newRig(t, func(c *Config) { c.Capacity.Objects = 2; c.UnknownHold = time.Second })
		r.commit(upserts(0, 6, "a")...)
		calls := r.take(2)
		r.step(Answered{Call: calls[0].Call, Reply: marketo.Reply{Fault: &marketo.Fault{Class: class, Code: "x", RetryAfter: 20 * time.Minute}}})
		r.answer(calls[1])
		r.pass(20*time.Minute - time.Millisecond)
		r.take(0)
		r.pass(2 * time.Minute)
		if len(r.calls) == 0 {
			t.Errorf("%s: no call after the time that the server asked for", class)
		}
	}
}

// Marketo's word on the quota is asked about by one call every 15 minutes, and
// the remedy is one that works.
func TestQuotaOfMarketoIsAskedAbout(t *testing.T) {
	limits := func(c *Config) { c.Limits = marketo.Limits{CallsPer20s: 50, ConcurrentCalls: 5, CallsPerDay: 10_000} }
	r := newRig(t, limits)
	r.commit(upserts(0, 100, "a")...)
	spent := func(int) *marketo.Fault { return fault(marketo.FaultQuota, "607") }
	if refused, _ := r.serve(5*time.Hour, spent); refused > 5+21 {
		t.Errorf("%d calls in five hours, want 4 an hour beside the first ones", refused)
	}
	got, reason := r.condition()
	if got != QuotaUsed || !strings.Contains(reason, "marketo says") || strings.Contains(reason, "calls_per_day") || !strings.Contains(reason, "cdcsync release") {
		t.Errorf("%s %q", got, reason)
	}
	if told := r.logged("used up"); told != 1 {
		t.Errorf("%d log lines, want 1", told)
	}
	var quota *checkpoint.Quota
	for _, s := range r.saves {
		if s.Quota != nil {
			quota = s.Quota
		}
	}
	if quota == nil || !quota.Exhausted {
		t.Fatalf("saved quota %+v, want it exhausted", quota)
	}
	again := restartRig(t, checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: start}, Quota: *quota}, limits)
	again.commit(upserts(0, 100, "a")...)
	if refused, _ := again.serve(14*time.Minute, spent); refused != 1 {
		t.Errorf("%d calls after a start, want one that asks", refused)
	}
	if _, passed := again.serve(3*time.Minute, func(int) *marketo.Fault { return nil }); passed < 30 {
		t.Errorf("%d calls passed once the quota was raised, want all", passed)
	}
	if got, _ := again.condition(); got != "" {
		t.Errorf("%s once the quota was raised", got)
	}
}

// The limit of our own has a line and a text of its own.
func TestOwnLimitOfTheDayIsTold(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = marketo.Limits{CallsPerDay: 5} })
	r.commit(upserts(0, 30, "a")...)
	r.serve(time.Minute, func(int) *marketo.Fault { return nil })
	if got, reason := r.condition(); got != QuotaUsed || !strings.Contains(reason, "calls_per_day") {
		t.Errorf("%s %q", got, reason)
	}
	if told := r.logged("used up"); told != 1 {
		t.Errorf("%d log lines, want 1", told)
	}
}

// Calls of a life that was killed, and those that were given up, may still be
// executing, and take their places until they cannot.
func TestCallsThatMayRunTakePlaces(t *testing.T) {
	state := checkpoint.State{
		Checkpoint: &checkpoint.Checkpoint{LSN: start}, SameBoot: true,
		InFlight: []checkpoint.Call{{ID: 1, Keys: []string{"a"}}, {ID: 2, Keys: []string{"b"}}, {ID: 3, Keys: []string{"c"}}},
	}
	five := func(c *Config) { c.Limits = marketo.Limits{ConcurrentCalls: 5} }
	r := restartRig(t, state, five)
	r.commit(upserts(0, 60, "a")...)
	calls := r.take(2)
	r.step(Answered{Call: calls[0].Call, Reply: marketo.Reply{Fault: fault(marketo.FaultUnknown, "timeout")}})
	r.answer(calls[1])
	r.pass(5 * time.Second)
	for range 5 {
		r.answer(r.take(1)[0])
	}
	r.pass(151 * time.Second)
	if n := len(r.calls); n < 4 {
		t.Errorf("%d calls at once when none can be executing any more, want 5", n)
	}
}
