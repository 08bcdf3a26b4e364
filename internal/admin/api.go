package admin

import (
	"encoding/json"
	"time"
)

// Parked is the answer to GET /api/v1/parked: all that fits the question in
// Groups, a page of it in Entries.
type Parked struct {
	// Total counts the parked objects that fit the question.
	Total int `json:"total"`
	// Groups counts them by mapping and code, the largest group first.
	Groups  []Group `json:"groups"`
	Entries []Entry `json:"entries"`
	// Next, where there are more entries, is the after= of the next page.
	Next string `json:"next,omitempty"`
}

// Group sums up the parked objects of one mapping and code.
type Group struct {
	Mapping string `json:"mapping"`
	Code    string `json:"code"`
	// Message is that of the object parked last.
	Message string `json:"message"`
	// Who can do something about it, and what, by the code.
	Who   string `json:"who"`
	Do    string `json:"what_to_do"`
	Count int    `json:"count"`
	// Waiting counts those that are tried again by themselves.
	Waiting int `json:"waiting"`
	// First and Last are when the first of them was parked and when the last
	// was refused.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Entry is one parked object.
type Entry struct {
	// ID is short and stays the same while the object is parked, and beyond.
	ID      string `json:"id"`
	Mapping string `json:"mapping"`
	// Object is the custom object type.
	Object string `json:"object"`
	// Key is the key as people write it, MKTOID=7,rid=42; empty for a row that
	// has none.
	Key string `json:"key"`
	// Code and Message are Marketo's, or say what is wrong with the row.
	Code      string `json:"code"`
	Message   string `json:"message"`
	Operation string `json:"operation"`
	// LSN is the end of the newest transaction that changed the row, and
	// Committed the time of its commit.
	LSN       string    `json:"lsn"`
	Committed time.Time `json:"committed"`
	Attempts  int       `json:"attempts"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	// Waits is set when the object is tried again by itself, at Next.
	Waits bool       `json:"waits"`
	Next  *time.Time `json:"next,omitempty"`
	// Payload holds the attributes that were to be written. Only the answer to
	// GET /api/v1/parked/{id} has it.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// NoCode selects, as a Code, the objects that came without one.
const NoCode = "-"

// Selector chooses parked objects to act on. It is All alone, or at least one
// of the others, which must all fit.
type Selector struct {
	Mapping string `json:"mapping,omitempty"`
	// Code is Marketo's code or NoCode.
	Code string `json:"code,omitempty"`
	// Key is an Entry's ID or Key. If it fits objects of several mappings,
	// Mapping has to say which.
	Key string `json:"key,omitempty"`
	All bool   `json:"all,omitempty"`
}

// Acted is the answer to POST /api/v1/parked/retry and …/discard.
type Acted struct {
	// Done counts the objects that were queued again, or given up; what
	// becomes of the former is known when their calls are answered.
	Done int `json:"done"`
	// Missing counts those that were done with by themselves in between.
	Missing int `json:"missing"`
	// Problems says why others could not be queued.
	Problems []string `json:"problems,omitempty"`
}

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}
