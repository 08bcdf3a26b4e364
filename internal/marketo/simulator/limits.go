package simulator

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
	_ "time/tzdata" // the quota resets at midnight in Chicago, on any machine
)

// Limits are the limits of an instance. Zero lifts a limit.
type Limits struct {
	// Calls is the most calls in Window, a sliding one. A call that is
	// refused counts like any other.
	Calls int
	// Window is the length of the window; zero means 20 seconds.
	Window time.Duration
	// Concurrent is the most calls at once. A call counts until its answer
	// leaves, or until it was executed when its client has gone.
	Concurrent int
	// SOAPDaily and RESTDaily are the most calls of each API in a day, which
	// begins at midnight in Chicago.
	SOAPDaily, RESTDaily int
}

// MarketoLimits returns the limits of a common subscription.
func MarketoLimits() Limits {
	return Limits{Calls: 100, Concurrent: 10, SOAPDaily: 10_000, RESTDaily: 50_000}
}

// limiter counts calls and refuses those beyond the limits.
type limiter struct {
	mu         sync.Mutex
	limits     Limits
	starts     []time.Time // of the calls in the window, oldest first
	running    int
	day        string
	today      map[string]int // calls by API
	mostWindow int
	mostAtOnce int
	zone       *time.Location
}

func newLimiter(limits Limits) *limiter {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil { // not with the embedded zones
		zone = time.FixedZone("CST", -6*60*60)
	}
	l := &limiter{zone: zone}
	l.set(limits)
	l.reset()
	return l
}

func (l *limiter) set(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limits.Window == 0 {
		limits.Window = 20 * time.Second
	}
	l.limits = limits
}

// reset forgets what was counted, except calls that are still running.
func (l *limiter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts, l.today, l.mostWindow, l.mostAtOnce = nil, map[string]int{}, 0, l.running
}

// enter counts a call that arrived at start. It returns the fault of a call
// beyond the limits; for all others leave must follow.
func (l *limiter) enter(api string, start time.Time) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	if day := start.In(l.zone).Format(time.DateOnly); day != l.day {
		l.day, l.today = day, map[string]int{}
	}
	l.today[api]++
	l.starts = append(l.starts, start)
	old := 0
	for old < len(l.starts) && start.Sub(l.starts[old]) >= l.limits.Window {
		old++
	}
	l.starts = l.starts[old:]
	l.mostWindow = max(l.mostWindow, len(l.starts))
	l.mostAtOnce = max(l.mostAtOnce, l.running+1)
	daily, soap := l.limits.RESTDaily, api == apiSOAP
	if soap {
		daily = l.limits.SOAPDaily
	}
	switch {
	case daily > 0 && l.today[api] > daily:
		return limitFault(soap, ViolationQuota, "20015", "607", "Daily quota reached")
	case l.limits.Calls > 0 && len(l.starts) > l.limits.Calls:
		return limitFault(soap, ViolationRate, "20023", "606", "Max rate limit '"+strconv.Itoa(l.limits.Calls)+
			"' exceeded with in '"+strconv.Itoa(int(l.limits.Window.Seconds()))+"' secs")
	case l.limits.Concurrent > 0 && l.running >= l.limits.Concurrent:
		return limitFault(soap, ViolationConcurrency, "20024", "615", "Concurrent access limit reached")
	}
	l.running++
	return nil
}

func limitFault(soap bool, violation, soapCode, restCode, message string) *fault {
	if soap {
		return &fault{code: soapCode, message: message, violation: violation}
	}
	return &fault{code: restCode, message: message, violation: violation}
}

func (l *limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
}

// used returns the quota day and the calls an API had in it.
func (l *limiter) used(api string) (day string, calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	today := time.Now().In(l.zone).Format(time.DateOnly)
	if today != l.day {
		return today, 0
	}
	return l.day, l.today[api]
}

// Latency is how long calls take.
type Latency struct {
	// Fixed is the latency before jitter.
	Fixed time.Duration
	// Jitter spreads it evenly by this fraction either way: 0.2 means 20%.
	Jitter float64
	// Tail is the share of calls that take Stretch times as long.
	Tail, Stretch float64
}

// pace draws latencies.
type pace struct {
	mu      sync.Mutex
	latency Latency
	random  *rand.Rand
}

func newPace(latency Latency, seed uint64) *pace {
	return &pace{latency: latency, random: rand.New(rand.NewPCG(seed, 2))}
}

func (p *pace) set(latency Latency) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = latency
}

func (p *pace) next() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	factor := 1.0
	if p.latency.Jitter > 0 {
		factor += p.latency.Jitter * (2*p.random.Float64() - 1)
	}
	if p.latency.Tail > 0 && p.random.Float64() < p.latency.Tail {
		factor *= p.latency.Stretch
	}
	return time.Duration(float64(p.latency.Fixed) * factor)
}
