package simulator

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
)

// armed is a Rule in force.
type armed struct {
	Rule
	label string
	seen  int // calls that matched
	taken int // calls it acted on
}

// ruleList holds the rules in force, in the order they were given.
type ruleList struct {
	count atomic.Int32 // of rules: without any, calls take no lock

	mu     sync.Mutex
	random *rand.Rand
	seed   uint64
	rules  []*armed
	next   int
}

func newRuleList(seed uint64) *ruleList {
	l := &ruleList{seed: seed}
	l.reset()
	return l
}

// Fail puts rules in force, after those that are. It returns an error, and
// puts none in force, when one of them has a word or number it cannot have.
func (s *Simulator) Fail(rules ...Rule) error {
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return err
		}
	}
	s.rules.add(rules)
	return nil
}

// Heal removes all rules. Calls that hang go on hanging; see Release.
func (s *Simulator) Heal() { s.rules.clear() }

func (l *ruleList) add(rules []Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, rule := range rules {
		l.next++
		label := rule.Name
		if label == "" {
			label = strconv.Itoa(l.next)
		}
		l.rules = append(l.rules, &armed{Rule: rule, label: label})
	}
	l.count.Store(int32(len(l.rules)))
}

func (l *ruleList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = nil
	l.count.Store(0)
}

func (l *ruleList) reset() {
	l.clear()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.random = rand.New(rand.NewPCG(l.seed, 1))
	l.next = 0
}

// ruleState is what the control API shows of a rule.
type ruleState struct {
	Rule    Rule `json:"rule"`
	Matched int  `json:"matched"`
	Taken   int  `json:"taken"`
}

func (l *ruleList) list() []ruleState {
	l.mu.Lock()
	defer l.mu.Unlock()
	states := make([]ruleState, 0, len(l.rules))
	for _, a := range l.rules {
		states = append(states, ruleState{a.Rule, a.seen, a.taken})
	}
	return states
}

// match returns the rule that acts on the whole call, nil for none. Every
// rule before it that matches has counted the call.
func (l *ruleList) match(call *Call) *armed {
	if l.count.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.rules {
		if a.Objects == nil && l.takes(a, call) {
			return a
		}
	}
	return nil
}

func (l *ruleList) takes(a *armed, call *Call) bool {
	if a.API != "" && a.API != call.API || a.Operation != "" && a.Operation != call.Operation ||
		a.Type != "" && fold(a.Type) != fold(call.Type) {
		return false
	}
	a.seen++
	switch {
	case a.seen <= a.After,
		a.Every > 0 && (a.seen-a.After-1)%a.Every != 0,
		a.Times > 0 && a.taken >= a.Times,
		!l.chance(a.Probability):
		return false
	}
	a.taken++
	return true
}

func (l *ruleList) chance(p float64) bool {
	return p == 0 || p == 1 || l.random.Float64() < p
}

// fail marks the objects of a call that rules want to fail.
func (l *ruleList) fail(call *Call, req *request, edits []edit) {
	if l.count.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	schema := req.table.schema.Load()
	for _, a := range l.rules {
		if a.Objects == nil || !l.takes(a, call) {
			continue
		}
		for i := range edits {
			if edits[i].problem == nil && a.Objects.matches(schema, &edits[i]) && l.chance(a.Objects.Probability) {
				edits[i].problem = a.Objects.problem()
			}
		}
	}
}

func (f *ObjectFault) problem() *problem {
	p := &problem{f.Code, f.Message}
	fill(&p.code, "1003")
	fill(&p.message, "Invalid data")
	return p
}

func (f *ObjectFault) matches(schema *schema, e *edit) bool {
	if f.Key != "" && f.Key != e.key {
		return false
	}
	if f.Modulus > 0 {
		first, err := strconv.ParseInt(e.value(schema.key[0]), 10, 64)
		if err != nil || first%f.Modulus != f.Remainder {
			return false
		}
	}
	for name, wanted := range f.Fields {
		column, ok := schema.columns[name]
		if !ok || e.value(column) != wanted {
			return false
		}
	}
	return true
}

// value returns what the edit sets a column to; empty when it does not.
func (e *edit) value(column int) string {
	for _, a := range e.set {
		if a.column == column {
			return a.value
		}
	}
	return ""
}
