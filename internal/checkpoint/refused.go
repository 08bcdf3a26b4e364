package checkpoint

import "time"

// Refused is a row of a backfill whose object Marketo refused. Unlike a parked
// object it holds no values but the key, as the row is still in its table, and
// it does not count against what may be parked.
type Refused struct {
	// Feed and Key identify it: one entry for both.
	Feed string
	// Key identifies the object (mapping.Write.Key).
	Key       string
	Operation string
	// Code and Message are Marketo's, or those of a mapping.Problem.
	Code    string
	Message string
	// Waits is set when the row is read and sent again by itself, at Next.
	Waits bool
	// At is when it was refused first, Next when it is tried again.
	At, Next time.Time
}

// RefusedKey names a Refused.
type RefusedKey struct{ Feed, Key string }

// RefusedFilter chooses entries of one feed, in the order of their keys.
type RefusedFilter struct {
	Feed string
	// Due, unless it is zero, leaves out what does not wait, and what is tried
	// again after it.
	Due time.Time
	// After leaves out the keys up to it; empty for none.
	After string
	// Limit is the most entries to return, zero for no limit.
	Limit int
}
