// Package failpoint marks the places where a crash is worth trying: between
// two steps that must not come apart.
//
// A program built as usual has no failure points: Hit is empty and costs
// nothing. Built with the tag failpoints, it obeys two variables of its
// environment:
//
//	CDCSYNC_FAILPOINT=NAME:N           the process kills itself with SIGKILL when it comes to the place for the N-th time
//	CDCSYNC_FAILPOINT_RECORD=FILE      the first hits of every place are appended to FILE, a line "NAME N" each
//
// N counts from 1, in one life of the process. A value that cannot be read
// ends the process at once, with exit code 2: a run without its failure would
// prove nothing.
//
// Points belong into what acts (connections, calls, saves), not into what
// decides: that is tried out without processes.
package failpoint

const (
	// Variable is the environment variable that names the point to die at.
	Variable = "CDCSYNC_FAILPOINT"
	// RecordVariable is the environment variable that names the file to
	// record hits in.
	RecordVariable = "CDCSYNC_FAILPOINT_RECORD"
	// Recorded is how many hits of each point are recorded.
	Recorded = 20
)
