package acceptance_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/evidence"
	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

const (
	soakKeys = 5000
	// soakEvery is the time from one fault to the next, soakFault how long
	// one lasts that has to be fixed.
	soakEvery, soakFault = 20 * time.Second, 5 * time.Second
	// soakCalls is how many calls a second of the soak its day allows: less
	// than the load can use, so that the quota binds.
	soakCalls = 4
	// soakCallsPer20s and soakAtOnce are Marketo's other limits.
	soakCallsPer20s, soakAtOnce = 100, 10
)

// soak is one long run.
type soak struct {
	*proxied
	p      *process
	load   *load
	killed []time.Time
	quota  int
}

// TestSoak runs the program under load for as long as CDCSYNC_SOAK says, with
// a fault every 20 seconds: server, connections, Marketo and the program
// itself in turn. The simulator keeps Marketo's limits, and a small quota for
// the day; the program may never exceed one, over all its lives.
func TestSoak(t *testing.T) {
	text := os.Getenv("CDCSYNC_SOAK")
	if text == "" {
		t.Skip("set CDCSYNC_SOAK to a duration such as 30m")
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CDCSYNC_SOAK: %v", err)
	}
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		s := newSoak(t, api, duration)
		faults := s.faults()
		if least := time.Duration(len(faults)) * soakEvery; duration < least {
			t.Fatalf("%s is too short to come to every fault; that takes %s", duration, least)
		}
		s.p = s.start()
		s.load = s.startLoad(soakKeys, 10, 10*time.Millisecond)
		began := time.Now()
		for i := 0; time.Since(began) < duration; i++ {
			time.Sleep(time.Until(began.Add(time.Duration(i+1) * soakEvery)))
			f := faults[i%len(faults)]
			t.Logf("%s: %s", time.Since(began).Round(time.Second), f.name)
			f.do()
			if s.p.ended() {
				t.Fatalf("the program ended by itself: %s", s.p.cmd.ProcessState)
			}
			s.withinLimits()
		}
		s.conclude(duration)
	})
}

func newSoak(t *testing.T, api string, duration time.Duration) *soak {
	t.Helper()
	s := &soak{quota: int(soakCalls * duration.Seconds())}
	s.proxied = newProxied(t, ownServer(t, nil), api, soakKeys, simulator.Options{
		RecordHistory: true, RecordKeys: true,
		Latency: simulator.Latency{Fixed: 50 * time.Millisecond, Jitter: 0.5},
		Limits:  s.limits(),
	})
	s.config.timeout, s.config.hold = 2*time.Second, 2500*time.Millisecond
	s.config.limits = fmt.Sprintf("{calls_per_20s: 100, concurrent_calls: 5, calls_per_day: %d}", s.quota)
	s.misbehave()
	return s
}

func (s *soak) limits() simulator.Limits {
	return simulator.Limits{Calls: soakCallsPer20s, Concurrent: soakAtOnce, SOAPDaily: s.quota, RESTDaily: s.quota}
}

// misbehave puts the simulator's rules in force: those given, and some calls
// that are executed late all the time.
func (s *soak) misbehave(rules ...simulator.Rule) {
	s.t.Helper()
	s.sim.Heal()
	rules = append(rules, simulator.Rule{Name: "late", Operation: "sync", Probability: 0.05, Hang: 500 * time.Millisecond})
	if err := s.sim.Fail(rules...); err != nil {
		s.t.Fatal(err)
	}
}

// fault is something that goes wrong, and is fixed where that takes somebody.
type fault struct {
	name string
	do   func()
}

// faults are all faults of the soak, in turn.
func (s *soak) faults() []fault {
	marketo := func(rule simulator.Rule) func() {
		return func() {
			rule.Operation = "sync"
			s.misbehave(rule)
			time.Sleep(soakFault)
			s.misbehave()
		}
	}
	connection := func(p *faultproxy.Proxy, f faultproxy.Faults) func() {
		return func() {
			p.Set(f)
			time.Sleep(soakFault)
			p.Set(faultproxy.Faults{})
		}
	}
	cut := func(at int64) faultproxy.Faults { return faultproxy.Faults{Down: faultproxy.Flow{Cut: at}} }
	crash := func() { s.restart(cluster.Immediate) }
	return []fault{
		{"server crashes", crash},
		{"replies cut", connection(s.marketo, cut(300))},
		{"program killed", s.die},
		{"marketo unavailable", marketo(simulator.Rule{Status: 503, Probability: 0.7})},
		{"stream cut", connection(s.postgres, cut(50_000))},
		{"replies lost", connection(s.marketo, faultproxy.Faults{Down: lost})},
		{"server and program killed", func() { crash(); s.die() }},
		{"statuses missing", marketo(simulator.Rule{Reply: simulator.SpoilMissing, Probability: 0.5})},
		{"marketo hangs", marketo(simulator.Rule{Hang: 2200 * time.Millisecond})},
		{"program stopped", func() {
			s.p.signal(s.t, syscall.SIGTERM)
			if code := s.p.exit(s.t, time.Minute); code != 0 {
				s.t.Errorf("exit code after SIGTERM = %d, want 0", code)
			}
			s.p = s.launch()
		}},
		{"program paused", func() {
			s.p.signal(s.t, syscall.SIGSTOP)
			time.Sleep(soakFault)
			s.p.signal(s.t, syscall.SIGCONT)
		}},
		{"server half-open", connection(s.postgres, faultproxy.Faults{Up: lost, Down: lost})},
		{"connections dropped", marketo(simulator.Rule{Drop: simulator.DropAfter, Probability: 0.5})},
	}
}

func (s *soak) die() {
	s.p.kill()
	s.killed = append(s.killed, time.Now())
	s.slotBehindState()
	s.p = s.launch()
}

// counted is how many calls the simulator has counted against the day.
func (s *soak) counted() int { return len(evidence.Counted(s.sim)) }

// withinLimits checks that no limit was ever exceeded.
func (s *soak) withinLimits() {
	s.t.Helper()
	s.noViolations()
	limits := evidence.Limits{Window: 20 * time.Second, Calls: soakCallsPer20s, AtOnce: soakAtOnce, InAll: s.quota}
	s.holds(limits.Hold(evidence.Counted(s.sim)), 1)
}

// conclude fixes everything, gives the day more calls, waits for the end and
// checks it.
func (s *soak) conclude(duration time.Duration) {
	t := s.t
	t.Helper()
	s.load.stop()
	await(t, time.Minute, func() (bool, string) {
		status, body := s.get("/metrics")
		return status == 200, body
	})
	// Calls are counted before they are sent, so the later look must not find fewer.
	calls := s.counted()
	last := s.awaitMetric("up", func(m evidence.Metrics) float64 { return m.Sum("cdcsync_up") }, 1)
	if used := int(last.Sum("cdcsync_quota_used_calls")); used > s.quota || used < calls {
		t.Errorf("the program counts %d calls of the day, the simulator %d, of %d", used, calls, s.quota)
	}
	s.checkMemory(s.p)
	s.p.stop(t)
	s.quota *= 10
	s.sim.SetLimits(s.limits())
	s.config.limits = fmt.Sprintf("{calls_per_20s: 100, concurrent_calls: 5, calls_per_day: %d}", s.quota)
	s.p = s.start()
	s.exec(`UPDATE items SET version = version + 1 WHERE id % 5 = 0`) // the last life needs something to account for
	s.settle(s.p)
	s.balance()
	s.withinLimits()
	s.p.stop(t)
	s.slotBehindState()
	if parked := s.parkedFields("items"); len(parked) > 0 {
		t.Errorf("%d objects are parked, want none", len(parked))
	}
	s.itemsAgree()
	versions := s.neverBack()
	stats := s.sim.Stats()
	t.Logf("%d transactions, %d versions in %d calls, %d of them before the day got more; %d kills, %d clients gone, faults %v",
		s.load.count.Load(), versions, s.counted(), calls, len(s.killed), stats.ClientsGone, stats.Faults)
	seconds := int(duration.Seconds())
	if done := s.load.count.Load(); done < int64(10*seconds) || calls < seconds/2 || versions < 50*seconds || stats.ClientsGone == 0 || len(s.killed) < 2 {
		t.Error("that is too little work to prove anything")
	}
}
