// Package shadow is what a run without sending needs: a Marketo that confirms
// everything, a store that keeps nothing, and the estimate of what a day costs by
// what the two have seen.
//
// The promise: calls are counted as the delivery machine makes them, with its
// batches, its merging and its limits but for that of the day. Nothing leaves the
// process, and nothing is written to a disk.
//
// The limits: Marketo refuses nothing here, so that calls which are tried again are
// not in the estimate; a day is taken to be like the time that was watched, but for
// what PostgreSQL's statistics say of more or fewer changes.
package shadow
