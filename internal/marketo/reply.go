package marketo

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Status is Marketo's word on one object. REST statuses are translated to
// these, which are SOAP's.
type Status uint8

const (
	// NoStatus stands for a status that is missing, doubled or unknown.
	NoStatus Status = iota
	Created
	Updated
	Unchanged
	Skipped
	Failed
	Deleted
)

func (s Status) String() string {
	return [...]string{"NONE", "CREATED", "UPDATED", "UNCHANGED", "SKIPPED", "FAILED", "DELETED"}[s]
}

// Outcome is our reading of a status: what delivery does with the object.
type Outcome uint8

const (
	// Unknown leaves the object unconfirmed; the same object goes again.
	Unknown Outcome = iota
	// Confirmed settles the object.
	Confirmed
	// Retry sends the object again after a pause; it was not applied.
	Retry
	// Wait parks the object and tries it again by itself, over hours.
	Wait
	// Reject parks the object until somebody acts.
	Reject
)

func (o Outcome) String() string {
	return [...]string{"unknown", "confirmed", "retry", "wait", "reject"}[o]
}

// Result is the answer for one object of a batch.
type Result struct {
	Status  Status
	Outcome Outcome
	// Code is Marketo's code for the object (REST), "" where it gave none.
	Code string
	// Message is Marketo's own text, shortened to 500 bytes.
	Message string
}

// FaultClass says what delivery does after a call that failed as a whole.
type FaultClass uint8

const (
	// FaultUnknown: the call may have been executed, or may still be.
	FaultUnknown FaultClass = iota
	// FaultRetry: the call has ended without its full effect; try it again.
	FaultRetry
	// FaultRate: too many calls in 20 seconds; not executed.
	FaultRate
	// FaultConcurrency: too many calls at once; not executed.
	FaultConcurrency
	// FaultQuota: the calls of the day are used up; not executed.
	FaultQuota
	// FaultCredentials: Marketo refuses who we are; not executed.
	FaultCredentials
	// FaultExpired: the signature or token was stale; not executed. The next
	// attempt signs afresh, so it may go at once.
	FaultExpired
	// FaultRefused: this content will never be accepted as one call; not
	// executed. Splitting finds the object to blame.
	FaultRefused
	// FaultTooLarge: the call is too big or too slow; halves may pass.
	FaultTooLarge
)

func (c FaultClass) String() string {
	return [...]string{"unknown", "retry", "rate", "concurrency", "quota", "credentials", "expired", "refused", "too_large"}[c]
}

// Fault is why a call failed as a whole.
type Fault struct {
	Class FaultClass
	// Code is Marketo's code, "http_503" for a bare HTTP status, or one of
	// "timeout", "connection", "reply", "redirect", "tls" for what never
	// became an answer.
	Code string
	// Message explains it to an operator. It holds no secret and no row value.
	Message string
	// RetryAfter is the server's wish; zero where it had none.
	RetryAfter time.Duration
}

func (f *Fault) Error() string {
	if f.Message == "" {
		return "marketo: " + f.Class.String() + " (" + f.Code + ")"
	}
	return "marketo: " + f.Class.String() + " (" + f.Code + "): " + f.Message
}

// MayRun reports whether the call may be executing although its attempt has
// ended: nothing that executes calls has said what came of it.
func (f *Fault) MayRun() bool {
	if f.Class != FaultUnknown {
		return false
	}
	switch f.Code {
	case "timeout", "connection", "tls", "604", "http_408", "http_502", "http_504":
		return true
	}
	return false
}

// Reply is what came of one call. When Fault is nil, Results has one entry
// per object of the batch, in the order of the batch.
type Reply struct {
	Results []Result
	Fault   *Fault
	// Date is the server's clock from the reply's Date header; zero if none.
	Date time.Time
	// Left is when the request had left for the network, or the attempt had
	// ended without that: Marketo had it then at the latest, if ever. It can be
	// long after Sync was called, when the process was stopped in between. Zero
	// means that nothing left.
	Left time.Time
}

// Recycle gives the memory of Results back, for the reply to a later call.
// Nothing may look at them any more.
func (r Reply) Recycle() {
	if r.Results == nil {
		return
	}
	clear(r.Results)
	results := r.Results[:0]
	resultsPool.Put(&results)
}

var resultsPool = sync.Pool{New: func() any { return new([]Result) }}

// NewResults returns n results that say nothing yet.
func NewResults(n int) []Result {
	return slices.Grow(*resultsPool.Get().(*[]Result), n)[:n]
}

// Capacity is the most one call may carry.
type Capacity struct {
	// Objects is the largest number of objects.
	Objects int
	// Bytes is the largest body; zero means no limit is known.
	Bytes int
	// Size returns the bytes o adds to the body of a call with operation op,
	// never too few. Nil when Bytes is zero.
	Size func(o Object, op Operation) int
	// Envelope is the size of a body without objects.
	Envelope int
}

// Client carries batches to Marketo and brings their statuses back. Its
// methods may be called from several goroutines at once. It does not retry,
// limit or wait: every call of Sync is one attempt on the wire (plus, for
// REST, a token call when there is no fresh token), so that whoever counts
// calls counts them all.
type Client interface {
	// Sync writes or deletes the objects of b, as b.Operation says.
	Sync(ctx context.Context, b *Batch) Reply
	// Login proves the credentials with a call that changes nothing.
	// The error is a *Fault where Marketo answered.
	Login(ctx context.Context) error
	// Capacity returns the most one call may carry.
	Capacity() Capacity
}
