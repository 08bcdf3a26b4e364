package simulator

import (
	"context"
	"net/http"
	"time"
)

// dialect writes the answers of one API.
type dialect interface {
	success(body []byte) *reply
	fault(f *fault) *reply
	statuses(req *request, lines []line) *reply
}

// line is the status of one object in an answer, in the order of the answer.
type line struct {
	place   int // of the object in the call
	foreign bool
	result
}

// exchange is one call on its way through the simulator.
type exchange struct {
	sim     *Simulator
	dialect dialect
	call    *Call
	start   time.Time
	slot    bool // holds one of the concurrent calls
}

// begin notes the arrival of a call.
func (s *Simulator) begin(api string, d dialect) *exchange {
	start := time.Now()
	return &exchange{sim: s, dialect: d, start: start, call: s.journal.begin(api, start)}
}

// abandon notes that the client left before its request was whole.
func (c *exchange) abandon() { c.sim.journal.finish(c.call, nil, 0, true) }

// serve executes a call that was received whole, or refuses it with f, and
// answers. It does not stop when the client goes away.
func (c *exchange) serve(w http.ResponseWriter, r *http.Request, req *request, f *fault) {
	c.describe(req)
	if f == nil {
		f = c.admit(req)
	}
	if f != nil {
		c.refuse(w, r, f)
		return
	}
	rule := c.sim.rules.match(c.call)
	if rule != nil {
		c.sim.journal.update(func() { c.call.Rule = rule.label })
	}
	answer := c.execute(req, rule)
	if answer == nil {
		c.finish(r, nil, 0)
		panic(http.ErrAbortHandler) // net/http's way to break a connection
	}
	c.finish(r, answer.fault, answer.status)
	answer.send(w, r, rule)
}

func (c *exchange) describe(req *request) {
	c.sim.journal.update(func() {
		c.call.Operation, c.call.Mode, c.call.Objects = req.operation, req.mode, len(req.objects)
		c.call.Type = req.typeName
		if req.table != nil {
			c.call.Type = req.table.schema.Load().name
		}
	})
}

// admit holds the limits against the call. Token calls are not counted.
func (c *exchange) admit(req *request) *fault {
	if req.operation == opToken {
		return nil
	}
	f := c.sim.limiter.enter(req.api, c.start)
	c.slot = f == nil
	return f
}

func (c *exchange) refuse(w http.ResponseWriter, r *http.Request, f *fault) {
	answer := c.dialect.fault(f)
	answer.fault = f
	c.finish(r, f, answer.status)
	answer.send(w, r, nil)
}

// finish closes the books on a call before its answer leaves, so that whoever
// has the answer finds the call in the log and its slot free.
func (c *exchange) finish(r *http.Request, f *fault, status int) {
	if c.slot {
		c.slot = false
		c.sim.limiter.leave()
	}
	c.sim.journal.finish(c.call, f, status, r.Context().Err() != nil)
}

// execute runs the call as the rule says. It returns nil when the connection
// is to be dropped without an answer.
func (c *exchange) execute(req *request, rule *armed) *reply {
	var do Rule
	if rule != nil {
		do = rule.Rule
	}
	atStart := c.sim.opts.ApplyAtStart
	switch do.Apply {
	case ApplyStart:
		atStart = true
	case ApplyEnd:
		atStart = false
	}
	applies := !do.refuses() || do.Apply == ApplyStart || do.Apply == ApplyEnd
	if do.Apply == ApplyNever {
		applies = false
	}
	var answer *reply
	if applies && atStart {
		answer = c.apply(req, &do)
	}
	if !c.wait(req, &do) {
		return nil
	}
	if applies && !atStart {
		answer = c.apply(req, &do)
	}
	if do.Drop != "" {
		return nil
	}
	if answer == nil || do.refuses() {
		answer = c.programmed(&do)
	}
	return answer
}

// wait lets the latency pass, and the hang of a rule. It returns false when
// the simulator was closed while the call was hanging.
func (c *exchange) wait(req *request, do *Rule) bool {
	delay := do.Latency
	if req.operation != opToken {
		delay += c.sim.pace.next()
	}
	if delay > 0 {
		time.Sleep(delay)
	}
	if do.Hang == 0 {
		return true
	}
	released, closed := c.sim.hanging()
	if closed {
		return false
	}
	if do.Hang == HangForever {
		<-released
		return !c.sim.isClosed()
	}
	// The client's context does not end a hang: the call is executed all the same.
	timer := time.NewTimer(do.Hang)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-released:
		return !c.sim.isClosed()
	}
}

// apply executes the call and makes its answer.
func (c *exchange) apply(req *request, do *Rule) *reply {
	if req.answer != nil {
		return req.answer()
	}
	if req.table == nil {
		body, f := req.read()
		if f != nil {
			answer := c.dialect.fault(f)
			answer.fault = f
			return answer
		}
		return c.dialect.success(body)
	}
	edits := resolve(req)
	if places := duplicates(edits); len(places) > 0 {
		c.sim.journal.violation(c.call, ViolationDuplicate)
		if req.api == apiSOAP {
			f := badParameter("a key stands twice in the call")
			answer := c.dialect.fault(f)
			answer.fault = f
			return answer
		}
		for _, place := range places {
			edits[place].problem = duplicateKey
		}
	}
	c.sim.rules.fail(c.call, req, edits)
	results := req.table.apply(req.mode, edits, c.call.ID, c.start)
	for i := range results {
		if results[i].doubled {
			c.sim.journal.violation(c.call, ViolationDoubled)
		}
	}
	c.sim.journal.results(c.call, results, c.sim.opts.RecordKeys)
	return c.dialect.statuses(req, arrange(results, do.Reply))
}

// programmed is the answer a rule asks for in place of the call's own.
func (c *exchange) programmed(do *Rule) *reply {
	if do.Status != 0 {
		return do.page()
	}
	f := &fault{code: do.Code, message: do.Message}
	if f.code == "" { // a rule that only keeps the call from being applied
		f.code, f.message = "20011", "Internal error"
		if c.call.API == apiREST {
			f.code = "611"
		}
	}
	if f.message == "" {
		f.message = "programmed fault"
	}
	answer := c.dialect.fault(f)
	answer.fault = f
	return answer
}

// pause waits, or until the client is gone.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
