package marketo_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

var noon = time.Date(2026, 3, 4, 18, 0, 0, 0, time.UTC) // 12:00 CST

// Any schedule of starts, late departures, restarts, complaints and pauses leaves no span of 20
// seconds with more starts than allowed, no more in flight than allowed, and
// no quota day with more calls than allowed.
func TestLimiterNeverExceeds(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limits := marketo.Limits{CallsPer20s: 1 + rng.IntN(8), ConcurrentCalls: 1 + rng.IntN(4), CallsPerDay: 20 + rng.IntN(200)}
		if starts, ok := schedule(rng, limits, marketo.NewLimiter); !ok {
			t.Fatalf("seed %d, limits %+v: a limit was exceeded; starts %v", seed, limits, starts)
		}
	}
}

// The same check must catch a limiter that allows one call more.
func TestLimiterCheckCatches(t *testing.T) {
	caught := 0
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limits := marketo.Limits{CallsPer20s: 1 + rng.IntN(4), ConcurrentCalls: 4, CallsPerDay: 1000}
		if _, ok := schedule(rng, limits, func(l marketo.Limits) *marketo.Limiter {
			l.CallsPer20s++
			return marketo.NewLimiter(l)
		}); !ok {
			caught++
		}
	}
	if caught == 0 {
		t.Errorf("a limiter with one call too many passed all schedules")
	}
}

// flight is a call that was counted when it started, and left then or later.
type flight struct{ started, left time.Time }

func schedule(rng *rand.Rand, limits marketo.Limits, fresh func(marketo.Limits) *marketo.Limiter) ([]time.Time, bool) {
	now, l := noon, fresh(limits)
	var left []time.Time
	var flying []flight
	perDay := map[string]int{}
	for range 400 {
		now = now.Add(time.Duration(rng.Int64N(int64(4 * time.Second))))
		switch rng.IntN(40) {
		case 0: // a restart: what was in flight is gone, and counts as made now
			next := fresh(limits)
			next.Restore(l.Snapshot(), now)
			for _, f := range flying {
				next.Inherit(now)
				if !f.left.After(now) {
					left = append(left, f.left)
				}
			}
			l, flying = next, nil
		case 1:
			l.Throttled(now, marketo.FaultConcurrency)
		case 2:
			l.Throttled(now, marketo.FaultRate)
		case 3:
			now = now.Add(time.Duration(rng.IntN(10)) * time.Hour)
		}
		if i := rng.IntN(2 + len(flying)); i < len(flying) && !flying[i].left.After(now) {
			if flying[i].left.After(flying[i].started) {
				l.Again(flying[i].started, flying[i].left)
			}
			l.Done(flying[i].left, flying[i].left)
			left = append(left, flying[i].left)
			flying = slices.Delete(flying, i, i+1)
		}
		ok, at, _ := l.Ready(now)
		if !ok && !at.IsZero() && !at.After(now) || !ok && at.IsZero() && len(flying) == 0 {
			return left, false
		}
		if !ok {
			continue
		}
		l.Start(now)
		f := flight{now, now}
		if rng.IntN(20) == 0 { // stopped in between
			f.left = now.Add(time.Duration(rng.Int64N(int64(time.Minute))))
		}
		flying = append(flying, f)
		perDay[marketo.QuotaDay(now)]++
		if len(flying) > limits.ConcurrentCalls || perDay[marketo.QuotaDay(now)] > limits.CallsPerDay {
			return left, false
		}
	}
	for _, f := range flying {
		left = append(left, f.left)
	}
	slices.SortFunc(left, time.Time.Compare)
	for i := limits.CallsPer20s; i < len(left); i++ {
		if left[i].Sub(left[i-limits.CallsPer20s]) < marketo.Window {
			return left, false
		}
	}
	return left, true
}

// What Ready says about the next time is exact: not ready just before it.
func TestLimiterWindow(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{CallsPer20s: 2})
	l.Start(noon)
	l.Start(noon.Add(5 * time.Second))
	ok, at, why := l.Ready(noon.Add(6 * time.Second))
	want := noon.Add(20*time.Second + 100*time.Millisecond)
	if ok || !at.Equal(want) || why != "rate" {
		t.Fatalf("Ready = %v, %v, %q, want false, %v, rate", ok, at, why, want)
	}
	if ok, _, _ := l.Ready(at.Add(-1)); ok {
		t.Errorf("ready before the time it named")
	}
	if ok, _, _ := l.Ready(at); ok {
		t.Errorf("ready although a call is under way that may have left only now")
	}
	l.Done(noon, noon)
	l.Done(noon.Add(5*time.Second), noon)
	if ok, _, _ := l.Ready(at); !ok {
		t.Errorf("not ready at the time it named")
	}
}

func TestLimiterMargin(t *testing.T) {
	for _, tt := range []struct {
		margin, want time.Duration
	}{{0, 20100 * time.Millisecond}, {-1, 20 * time.Second}, {time.Second, 21 * time.Second}} {
		l := marketo.NewLimiter(marketo.Limits{CallsPer20s: 1, Margin: tt.margin})
		l.Start(noon)
		if _, at, _ := l.Ready(noon); at.Sub(noon) != tt.want {
			t.Errorf("margin %v: next call after %v, want %v", tt.margin, at.Sub(noon), tt.want)
		}
	}
}

func TestLimiterUnlimited(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{})
	for range 10000 {
		if ok, _, why := l.Ready(noon); !ok {
			t.Fatalf("not ready (%s) though nothing is limited", why)
		}
		l.Start(noon)
	}
	if got := l.Snapshot().Calls; got != 10000 {
		t.Errorf("Calls = %d, want 10000", got)
	}
}

func TestLimiterConcurrency(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{ConcurrentCalls: 3})
	for range 3 {
		l.Start(noon)
	}
	if ok, at, why := l.Ready(noon); ok || !at.IsZero() || why != "concurrency" {
		t.Errorf("Ready = %v, %v, %q, want false, zero, concurrency", ok, at, why)
	}
	l.Done(noon, noon)
	if ok, _, _ := l.Ready(noon); !ok {
		t.Errorf("not ready after a Done")
	}
	for range 5 {
		l.Throttled(noon, marketo.FaultConcurrency)
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {59 * time.Second, 1}, {time.Minute, 2}, {2 * time.Minute, 3}, {time.Hour, 3}} {
		if got := l.Concurrency(noon.Add(tt.after)); got != tt.want {
			t.Errorf("concurrency %v after the complaints = %d, want %d", tt.after, got, tt.want)
		}
	}
}

func TestLimiterConcurrencyWithoutLimit(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{})
	for range 6 {
		l.Start(noon)
	}
	l.Throttled(noon, marketo.FaultConcurrency)
	if got := l.Concurrency(noon); got != 5 {
		t.Errorf("concurrency = %d, want 5, one less than were in flight", got)
	}
	if got := l.Concurrency(noon.Add(5 * time.Minute)); got != 0 {
		t.Errorf("concurrency = %d, want unlimited again", got)
	}
}

func TestLimiterRateComplaint(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{CallsPer20s: 50})
	l.Throttled(noon, marketo.FaultRate)
	if ok, at, why := l.Ready(noon.Add(19 * time.Second)); ok || why != "rate" || at.Sub(noon) < marketo.Window {
		t.Errorf("Ready = %v, %v, %q, want nothing for a window", ok, at, why)
	}
	if ok, _, _ := l.Ready(noon.Add(21 * time.Second)); !ok {
		t.Errorf("not ready a window after the complaint")
	}
}

func TestLimiterDailyBudget(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{CallsPerDay: 2})
	l.Start(noon)
	l.Start(noon)
	want := time.Date(2026, 3, 5, 6, 0, 0, 0, time.UTC)
	if ok, at, why := l.Ready(noon); ok || !at.Equal(want) || why != "quota" {
		t.Errorf("Ready = %v, %v, %q, want false, %v, quota", ok, at, why, want)
	}
	if ok, _, _ := l.Ready(want); !ok {
		t.Errorf("not ready after midnight US Central time")
	}
	l.Start(want)
	if got := l.Snapshot(); got.Day != "2026-03-05" || got.Calls != 1 {
		t.Errorf("day %s, calls %d, want 2026-03-05, 1", got.Day, got.Calls)
	}
}

// Marketo's word that the quota is used up is asked about by one call every 15
// minutes, by one when the day is over, by one at a start, and when somebody
// says so.
func TestLimiterExhausted(t *testing.T) {
	midnight := time.Date(2026, 7, 1, 5, 0, 0, 0, time.UTC) // 00:00 CDT
	for _, tt := range []struct {
		name     string
		at, want time.Time
	}{
		{"in the middle of the day", midnight.Add(10 * time.Hour), midnight.Add(10*time.Hour + 15*time.Minute)},
		{"right after the reset", midnight.Add(time.Second), midnight.Add(time.Second + 15*time.Minute)},
		{"shortly before the reset", midnight.Add(-time.Minute), midnight},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := marketo.NewLimiter(marketo.Limits{ConcurrentCalls: 5})
			l.Start(tt.at.Add(-time.Second))
			l.Exhausted(tt.at)
			l.Done(tt.at.Add(-time.Second), tt.at.Add(-time.Second))
			if ok, at, why := l.Ready(tt.at); ok || !at.Equal(tt.want) || why != "quota" {
				t.Errorf("Ready = %v, %v, %q, want false, %v, quota", ok, at, why, tt.want)
			}
			again := marketo.NewLimiter(marketo.Limits{ConcurrentCalls: 5})
			again.Restore(l.Snapshot(), tt.at)
			oneAsks(t, "after a restart", again, tt.at)
			oneAsks(t, "later", l, tt.want)
			l.Ask()
			oneAsks(t, "when somebody says so", l, tt.want.Add(2*time.Second))
			l.Start(tt.want.Add(4 * time.Second))
			l.Done(tt.want.Add(4*time.Second), tt.want.Add(4*time.Second))
			if l.Passed(tt.at.Add(-time.Second)) || !l.IsExhausted() {
				t.Error("a call from before Marketo's word ends it")
			}
			if !l.Passed(tt.want) || l.IsExhausted() || l.Snapshot().Exhausted {
				t.Error("a call that passed does not end it")
			}
			if ok, _, _ := l.Ready(tt.want.Add(5 * time.Second)); !ok {
				t.Error("not ready after a call that passed")
			}
		})
	}
}

// oneAsks checks that exactly one call may start now, and the next one 15
// minutes later.
func oneAsks(t *testing.T, when string, l *marketo.Limiter, now time.Time) {
	t.Helper()
	if ok, at, why := l.Ready(now); !ok {
		t.Fatalf("%s: not ready, but at %v (%s)", when, at, why)
	}
	l.Start(now)
	if ok, _, why := l.Ready(now); ok || why != "quota" {
		t.Errorf("%s: a second call may ask beside the first (%s)", when, why)
	}
	l.Done(now, now)
	if ok, at, _ := l.Ready(now.Add(time.Second)); ok || at.Sub(now) > 15*time.Minute || at.Sub(now) < 14*time.Minute {
		t.Errorf("%s: ready %v, at %v after the call that asked", when, ok, at.Sub(now))
	}
}

// A call that may still be executing takes a place, but never the last one.
func TestLimiterLostCalls(t *testing.T) {
	l := marketo.NewLimiter(marketo.Limits{ConcurrentCalls: 3})
	end := noon.Add(time.Minute)
	l.Lose(end)
	for i, want := range []bool{true, true, false} {
		ok, at, why := l.Ready(noon)
		if ok != want || !ok && (why != "concurrency" || !at.Equal(end)) {
			t.Errorf("one lost, %d under way: Ready = %v, %v, %q", i, ok, at, why)
		}
		if ok {
			l.Start(noon)
		}
	}
	l.Lose(end)
	l.Lose(end)
	l.Done(noon, noon)
	if ok, _, _ := l.Ready(noon); ok {
		t.Error("three lost, and a second call may start beside one")
	}
	l.Done(noon, noon)
	if ok, _, _ := l.Ready(noon); !ok {
		t.Error("three lost, and not one call may start")
	}
	for range 2 {
		l.Start(noon)
	}
	if ok, _, _ := l.Ready(end); !ok {
		t.Error("lost calls still take places after their end")
	}
}

func TestLimiterRestore(t *testing.T) {
	limits := marketo.Limits{CallsPer20s: 3, CallsPerDay: 10}
	l := marketo.NewLimiter(limits)
	for i := range 5 {
		l.Start(noon.Add(time.Duration(i) * time.Second))
	}
	q := l.Snapshot()
	want := marketo.Quota{Day: "2026-03-04", Calls: 5, Starts: []time.Time{noon.Add(2 * time.Second), noon.Add(3 * time.Second), noon.Add(4 * time.Second)}}
	if !reflect.DeepEqual(q, want) {
		t.Fatalf("Snapshot = %+v, want %+v", q, want)
	}
	// How long ago the last call was, no clock can be trusted to say.
	again := marketo.NewLimiter(limits)
	again.Restore(q, noon.Add(time.Hour))
	want.Starts = []time.Time{noon.Add(time.Hour - 2*time.Second), noon.Add(time.Hour - time.Second), noon.Add(time.Hour)}
	if got := again.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Errorf("after Restore: %+v, want %+v", got, want)
	}
	again.Restore(q, noon.Add(24*time.Hour))
	if got := again.Snapshot(); got.Day != "2026-03-05" || got.Calls != 0 {
		t.Errorf("restored a day later: %+v, want no calls", got)
	}
	// A clock that was set back must not make us wait for the old future, and
	// must not forget the calls.
	again.Restore(q, noon.Add(-24*time.Hour))
	if _, at, why := again.Ready(noon.Add(-24 * time.Hour)); why != "rate" || at.Sub(noon.Add(-24*time.Hour)) > 21*time.Second {
		t.Errorf("restored a day earlier: wait for %v (%s), want one window", at, why)
	}
	if got := again.Snapshot().Calls; got != 5 {
		t.Errorf("restored a day earlier: %d calls, want 5", got)
	}
}

// A call that was started before midnight and left after it is one of the new
// day: counted when that is known, and reserved for until then.
func TestLimiterMidnight(t *testing.T) {
	midnight := marketo.NextReset(noon)
	before, after := midnight.Add(-time.Second), midnight.Add(time.Second)
	l := marketo.NewLimiter(marketo.Limits{CallsPerDay: 2})
	l.Start(before)
	l.Start(after)
	if ok, _, why := l.Ready(after); ok || why != marketo.WhyQuota {
		t.Errorf("ready (%s) for a second call although the one under way may be of this day", why)
	}
	l.Done(before, after)
	if used := l.Used(after); used != 2 {
		t.Errorf("%d calls used, want 2", used)
	}
	l = marketo.NewLimiter(marketo.Limits{CallsPerDay: 2})
	l.Start(before)
	l.Done(before, before)
	if used := l.Used(after); used != 0 {
		t.Errorf("%d calls used after a call of the day before, want none", used)
	}
	again := marketo.NewLimiter(marketo.Limits{CallsPerDay: 2})
	again.Restore(l.Snapshot(), after)
	again.Inherit(after)
	if used := again.Used(after); used != 1 {
		t.Errorf("%d calls used after a start with a call in flight, want 1", used)
	}
}

// A wall clock that is set moves the quota day, and nothing else: the window
// goes by the time that passes, and no time is waited for that the clock has
// taken back.
func TestLimiterClockIsSet(t *testing.T) {
	day := 24 * time.Hour
	limits := marketo.Limits{CallsPer20s: 2, CallsPerDay: 3}
	for _, ahead := range []time.Duration{-40 * day, -day, -time.Minute, time.Minute, day, 40 * day} {
		l := marketo.NewLimiter(limits)
		l.Start(noon)
		l.Start(noon)
		l.SetClock(noon, ahead)
		if _, at, why := l.Ready(noon); why != marketo.WhyRate || at.Sub(noon) != marketo.Window+marketo.DefaultMargin {
			t.Errorf("clock set by %v: wait %v for %s, want one window", ahead, at.Sub(noon), why)
		}
	}
	for _, tt := range []struct {
		name   string
		clock  []time.Duration
		before time.Duration // of the next call that may start
		used   int
	}{
		{"back to the day before", []time.Duration{-day}, 18*time.Hour + day, 3},
		{"forward a day: the day is over", []time.Duration{day}, 0, 0},
		{"forward and back, with a call between", []time.Duration{40 * day, 0}, 18 * time.Hour, 1},
	} {
		l := marketo.NewLimiter(limits)
		for i := range 3 {
			l.Start(noon.Add(-time.Duration(i) * time.Minute))
		}
		for i, ahead := range tt.clock {
			l.SetClock(noon, ahead)
			if i < len(tt.clock)-1 {
				l.Start(noon)
			}
		}
		if used := l.Used(noon); used != tt.used {
			t.Errorf("%s: %d calls used, want %d", tt.name, used, tt.used)
		}
		if _, at, why := l.Ready(noon); why == marketo.WhyQuota && at.Sub(noon) > tt.before {
			t.Errorf("%s: nothing starts for %v, want at most %v", tt.name, at.Sub(noon), tt.before)
		}
	}
	l := marketo.NewLimiter(limits)
	l.SetClock(noon, 40*day)
	l.Exhausted(noon)
	l.SetClock(noon, 0)
	if _, at, _ := l.Ready(noon); at.Sub(noon) > 15*time.Minute {
		t.Errorf("exhausted by a clock that was set back: nothing asks for %v, want 15 minutes at most", at.Sub(noon))
	}
}

func TestQuotaDay(t *testing.T) {
	for _, tt := range []struct {
		now, day, reset string
		hours           int
	}{
		{"2026-01-15T05:59:59Z", "2026-01-14", "2026-01-15T06:00:00Z", 24},
		{"2026-01-15T06:00:00Z", "2026-01-15", "2026-01-16T06:00:00Z", 24},
		{"2026-07-15T04:59:59Z", "2026-07-14", "2026-07-15T05:00:00Z", 24},
		{"2026-03-08T06:00:00Z", "2026-03-08", "2026-03-09T05:00:00Z", 23}, // clocks go forward
		{"2026-11-01T05:00:00Z", "2026-11-01", "2026-11-02T06:00:00Z", 25}, // and back
		{"2026-12-31T12:00:00Z", "2026-12-31", "2027-01-01T06:00:00Z", 24},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := marketo.QuotaDay(now); got != tt.day {
			t.Errorf("QuotaDay(%s) = %s, want %s", tt.now, got, tt.day)
		}
		reset := marketo.NextReset(now)
		if got := reset.UTC().Format(time.RFC3339); got != tt.reset {
			t.Errorf("NextReset(%s) = %s, want %s", tt.now, got, tt.reset)
		}
		if marketo.QuotaDay(reset.Add(-1)) != tt.day || marketo.QuotaDay(reset) == tt.day {
			t.Errorf("the quota day of %s does not end at NextReset", tt.now)
		}
	}
}

func BenchmarkLimiter(b *testing.B) {
	l, now := marketo.NewLimiter(marketo.Limits{CallsPer20s: 50, ConcurrentCalls: 5, CallsPerDay: 10000}), noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		if ok, _, _ := l.Ready(now); ok {
			l.Start(now)
			l.Done(now, now)
		}
	}
}
