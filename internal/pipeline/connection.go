package pipeline

import (
	"errors"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// connection is what the reader tells others about its connection.
type connection struct {
	mu          sync.Mutex
	connected   bool
	timeline    int32
	problem     string
	halted      string // why nothing more is read; it stays
	connects    uint64
	disconnects map[string]uint64
	server      delivery.LSN
	received    delivery.LSN
	current     time.Time
	// since is when the connection was made; told has the reasons of failures
	// that were logged since the last one that held.
	since time.Time
	told  map[replication.Reason]bool
	// repeats is what ended the last connections without any progress, until
	// there is some: a connection that ends so is none, however often it is
	// made.
	repeats string
	// bytes and messages are those of earlier connections.
	bytes, messages uint64
}

// connected notes a new connection.
func (r *reader) connected(seen replication.Seen, from delivery.LSN) {
	c := &r.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected, c.problem = true, c.halted
	c.connects++
	c.since = time.Now()
	c.server, c.timeline = seen.End, seen.Timeline
	r.runner.Log.Info("streaming", "slot", r.runner.Source.Slot, "from", from, "database", seen.Database, "timeline", seen.Timeline)
}

// disconnected notes the end of a connection, or an attempt that failed. It
// logs the end, and each reason why there is none again once.
func (r *reader) disconnected(err error, failures int) {
	reason := replication.Diagnose(err)
	c := &r.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	if failures == 1 {
		c.told, c.repeats = nil, ""
	}
	if !c.told[reason] {
		r.runner.Log.Warn("replication connection lost", "reason", string(reason), "err", err)
	}
	if c.told == nil {
		c.told = make(map[replication.Reason]bool)
	}
	c.told[reason] = true
	if c.connected && c.received >= c.server {
		c.current = time.Now()
	}
	if c.connected && replication.Classify(err) == replication.RetrySlowly {
		c.repeats = err.Error()
	}
	c.connected, c.problem = false, "not connected to postgresql: "+err.Error()
	if c.halted != "" {
		c.problem = c.halted
	}
	if c.disconnects == nil {
		c.disconnects = make(map[string]uint64)
	}
	c.disconnects[string(reason)]++
}

// steady reports whether the connection is one to count on: not when others like
// it ended at once, and it has brought nothing yet.
func (c *connection) steady(received delivery.LSN) bool {
	return c.connected && (c.repeats == "" || received > c.received || time.Since(c.since) > time.Minute)
}

// halt ends reading for good. What was received is delivered; what follows
// waits in the slot until somebody has acted.
func (r *reader) halt(reason string) error {
	c := &r.connection
	c.mu.Lock()
	c.problem, c.halted = reason, reason
	if r.received >= c.server {
		c.current = time.Now()
	}
	c.mu.Unlock()
	r.runner.Log.Error("reading halted", "reason", reason)
	return errHalted
}

// errHalted ends reading: the stream has something that cannot be passed
// over. The connection stays, so that the slot stays in use.
var errHalted = errors.New("reading halted")

// status returns what others may know.
func (r *reader) status() delivery.SourceReport {
	c := &r.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	report := delivery.SourceReport{
		Connected: c.connected, Timeline: c.timeline, Problem: c.problem, Halted: c.halted != "", Connects: c.connects,
		Disconnects: make(map[string]uint64, len(c.disconnects)),
		Bytes:       c.bytes, Messages: c.messages, Server: c.server, Received: c.received, Current: c.current,
		Transaction: r.progress.current(),
	}
	for reason, n := range c.disconnects {
		report.Disconnects[reason] = n
	}
	if s := r.stream.Load(); s != nil {
		bytes, messages := s.Counters()
		report.Bytes += bytes
		report.Messages += messages
		report.Received = s.Received()
	}
	report.Received = r.runner.completing.received(report.Received)
	if c.connected && c.problem == "" && !c.steady(report.Received) {
		report.Connected, report.Problem = false, "the connection to postgresql ends again and again: "+c.repeats
	}
	for i := range r.rowCounts {
		n := &r.rowCounts[i]
		report.Rows = append(report.Rows, delivery.RowReport{
			Inserts:  n.operations[pgoutput.Insert].Load(),
			Updates:  n.operations[pgoutput.Update].Load(),
			Deletes:  n.operations[pgoutput.Delete].Load(),
			Filtered: n.filtered.Load(), WithoutOldKey: n.withoutOldKey.Load(),
		})
	}
	return report
}

// drop forgets a stream and keeps its counters.
func (r *reader) drop(stream *replication.Stream) {
	r.stream.Store(nil)
	stream.Abort()
	bytes, messages := stream.Counters()
	c := &r.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += bytes
	c.messages += messages
	c.received = max(c.received, stream.Received())
}

// countRow counts a change for every mapping of its table.
func (r *reader) countRow(of *mapping.Fitted, m *pgoutput.Change, writes []mapping.Write) {
	for _, i := range of.Mappings() {
		if r.stops.has(i) {
			continue
		}
		r.rowCounts[i].operations[m.Operation].Add(1)
		if !hasWriteOf(writes, i) {
			r.rowCounts[i].filtered.Add(1)
		}
	}
}

func hasWriteOf(writes []mapping.Write, mapping int) bool {
	for i := range writes {
		if writes[i].Mapping == mapping {
			return true
		}
	}
	return false
}
