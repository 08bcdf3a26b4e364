package simulator

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Call is one call in the call log.
type Call struct {
	// ID counts calls from 1, in the order of arrival.
	ID int `json:"id"`
	// API is "soap" or "rest".
	API string `json:"api"`
	// Operation is sync, delete, get, describe, list, usage, token, export or
	// file; empty
	// when the call was not understood that far.
	Operation string `json:"operation"`
	// Mode is UPSERT, INSERT, UPDATE or DELETE for sync and delete.
	Mode string `json:"mode,omitempty"`
	// Type is the custom object type.
	Type string `json:"type,omitempty"`
	// Objects is the number of objects the call carries.
	Objects int `json:"objects"`
	// Keys holds the Key of each object that has one, and Results the status
	// of each object, in the order of the call. Only with RecordKeys, and only
	// once the call was executed.
	Keys    []string `json:"keys,omitempty"`
	Results []string `json:"results,omitempty"`
	// Statuses counts the statuses of the objects; empty when the call was
	// not executed.
	Statuses map[string]int `json:"statuses,omitempty"`
	// Fault is the code the call was refused with; empty when it was not.
	// A bare HTTP status is "http_503".
	Fault string `json:"fault,omitempty"`
	// HTTPStatus is that of the answer; zero when there was none.
	HTTPStatus int `json:"http_status"`
	// Rule is the rule that acted on the whole call.
	Rule string `json:"rule,omitempty"`
	// Violation is one of the Violation constants, or empty.
	Violation string `json:"violation,omitempty"`
	// ClientGone is set when the client left before it had the answer.
	ClientGone bool `json:"client_gone,omitempty"`
	// Start is the arrival, Applied the execution (zero when there was none)
	// and End the moment the answer left or the connection broke (zero while
	// the call runs). They carry Go's monotonic clock.
	Start   time.Time `json:"start"`
	Applied time.Time `json:"applied,omitzero"`
	End     time.Time `json:"end,omitzero"`
}

// Stats sums up all calls since the start or the last Reset.
type Stats struct {
	// Calls counts arrived calls, token calls included.
	Calls int `json:"calls"`
	// Running counts the calls that have not been answered.
	Running int `json:"running"`
	// Operations counts answered calls, by "api operation".
	Operations map[string]int `json:"operations"`
	// Writes counts executed sync and delete calls and Objects the objects in
	// them; ObjectsPerCall is their quotient and LargestCall the most.
	Writes         int     `json:"writes"`
	Objects        int     `json:"objects"`
	ObjectsPerCall float64 `json:"objects_per_call"`
	LargestCall    int     `json:"largest_call"`
	// Statuses counts objects by status.
	Statuses map[string]int `json:"statuses"`
	// Faults counts refused calls by code, programmed ones included.
	Faults map[string]int `json:"faults"`
	// Violations counts what the client must know not to do.
	Violations map[string]int `json:"violations"`
	// ClientsGone counts calls whose client left early.
	ClientsGone int `json:"clients_gone"`
	// MostConcurrent and MostInWindow are the most calls at once and in the
	// window, refused ones included, token calls not.
	MostConcurrent int `json:"most_concurrent"`
	MostInWindow   int `json:"most_in_window"`
	// SOAPToday and RESTToday count towards the daily quota.
	SOAPToday int `json:"soap_today"`
	RESTToday int `json:"rest_today"`
	// Stored counts the objects the instance holds, by type.
	Stored map[string]int `json:"stored"`
}

// journal is the call log.
type journal struct {
	mu    sync.Mutex
	limit int
	calls []*Call // the newest, between limit and twice as many
	last  int
	// running survives a reset: those calls still end.
	running int
	stats   Stats
}

func newJournal(limit int) *journal {
	j := &journal{limit: limit}
	j.reset()
	return j
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = nil
	j.stats = Stats{Operations: map[string]int{}, Statuses: map[string]int{}, Faults: map[string]int{}, Violations: map[string]int{}}
}

func (j *journal) begin(api string, start time.Time) *Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	call := &Call{ID: j.last, API: api, Start: start}
	if len(j.calls) >= 2*j.limit {
		j.calls = append(j.calls[:0:0], j.calls[len(j.calls)-j.limit:]...)
	}
	j.calls = append(j.calls, call)
	j.stats.Calls++
	j.running++
	return call
}

// update changes a call under the lock that readers take.
func (j *journal) update(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
}

// violation notes what the client must know not to do. Of several in one call
// the first stays in the log; all are counted.
func (j *journal) violation(call *Call, violation string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fill(&call.Violation, violation)
	j.stats.Violations[violation]++
}

// results notes that a call was executed.
func (j *journal) results(call *Call, results []result, keys bool) {
	counts := map[string]int{}
	for i := range results {
		counts[results[i].status]++
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	call.Applied, call.Statuses = time.Now(), counts
	for i := range results {
		if keys {
			call.Keys = append(call.Keys, strings.Clone(results[i].key))
			call.Results = append(call.Results, results[i].status)
		}
	}
	for status, count := range counts {
		j.stats.Statuses[status] += count
	}
	j.stats.Writes++
	j.stats.Objects += len(results)
	j.stats.LargestCall = max(j.stats.LargestCall, len(results))
}

func (j *journal) finish(call *Call, f *fault, status int, gone bool) {
	if f != nil && f.violation != "" {
		j.violation(call, f.violation)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running--
	call.End, call.HTTPStatus, call.ClientGone = time.Now(), status, gone
	if gone {
		j.stats.ClientsGone++
	}
	if f != nil {
		call.Fault = f.code
		j.stats.Faults[f.code]++
	}
	j.stats.Operations[call.API+" "+call.Operation]++
}

// Calls returns the calls in the log, in the order of arrival. Those that
// still run are among them, with a zero End.
func (s *Simulator) Calls() []Call {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.calls[max(0, len(j.calls)-j.limit):]
	calls := make([]Call, len(kept))
	for i, call := range kept {
		calls[i] = *call
		calls[i].Keys, calls[i].Results = slices.Clone(call.Keys), slices.Clone(call.Results)
		calls[i].Statuses = maps.Clone(call.Statuses)
	}
	return calls
}

// Stats sums up all calls.
func (s *Simulator) Stats() Stats {
	stats := s.journal.snapshot()
	l := s.limiter
	_, stats.SOAPToday = l.used(apiSOAP)
	_, stats.RESTToday = l.used(apiREST)
	l.mu.Lock()
	stats.MostConcurrent, stats.MostInWindow = l.mostAtOnce, l.mostWindow
	l.mu.Unlock()
	stats.Stored = map[string]int{}
	for _, t := range s.store.all() {
		stats.Stored[t.schema.Load().name] = t.size()
	}
	return stats
}

func (j *journal) snapshot() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	stats := j.stats
	stats.Running = j.running
	stats.Operations, stats.Statuses = maps.Clone(stats.Operations), maps.Clone(stats.Statuses)
	stats.Faults, stats.Violations = maps.Clone(stats.Faults), maps.Clone(stats.Violations)
	if stats.Writes > 0 {
		stats.ObjectsPerCall = float64(stats.Objects) / float64(stats.Writes)
	}
	return stats
}
