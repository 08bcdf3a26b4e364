// Package boot tells one run of the machine's kernel from another, so that what
// was written and never synced is believed only in the run that wrote it.
//
// The promise: an ID that is the same twice means that the machine was not booted
// in between. The limit: where it cannot be known, it is "", which is to be taken
// for another one.
package boot
