// Package exchange is what both of Marketo's clients share: one attempt of one
// HTTP call, and what may be said of an attempt that brought no answer of the
// API.
//
// It promises that an attempt is made once, to the host that was named, follows
// no redirect, and is bounded in time and in the size of its reply; that a fault
// says whether anything can have been executed; and that no fault repeats a
// secret. It does not retry, wait, count or read a body: that is delivery's, and
// the clients'.
package exchange
