package preview

import (
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// Verdict is what would become of a row.
type Verdict string

const (
	// Sent is all that is known without asking Marketo.
	Sent Verdict = "sent"
	// Created, Changed and Unchanged are by what Marketo has.
	Created   Verdict = "created"
	Changed   Verdict = "changed"
	Unchanged Verdict = "unchanged"
	// Skipped: operation insert finds an object, or update none.
	Skipped Verdict = "skipped"
	// Rejected: the row cannot become an object, or Marketo will not take it.
	Rejected Verdict = "rejected"
	// LeftOut: where is false.
	LeftOut Verdict = "left out"
)

// Value is a value of a row or object; Null where there is none.
type Value struct {
	Text string `json:"text"`
	Null bool   `json:"null,omitempty"`
	// Omitted: it is not sent, and Marketo keeps what it has.
	Omitted bool `json:"omitted,omitempty"`
}

// Attribute is one attribute of an object beside where it comes from.
type Attribute struct {
	Name string `json:"name"`
	// From is its column, or says what else it is made of.
	From string `json:"from"`
	// Column is the value that the row has, for an attribute that is a column's.
	Column *Value `json:"column,omitempty"`
	// Value is what is sent; missing for a row that cannot become an object.
	Value *Value `json:"value,omitempty"`
	// Marketo is what Marketo has, where it has the object.
	Marketo *Value `json:"marketo,omitempty"`
	// Changes is set where those two are different.
	Changes bool `json:"changes,omitempty"`
	// Problem says why Marketo will not take the value.
	Problem string `json:"problem,omitempty"`
}

// Row is a row beside its object.
type Row struct {
	Verdict Verdict `json:"verdict"`
	// Reason says why it is rejected, left out or skipped.
	Reason     string      `json:"reason,omitempty"`
	Attributes []Attribute `json:"attributes"`
	// GUID and Updated are those of the object that Marketo has.
	GUID    string `json:"marketo_guid,omitempty"`
	Updated string `json:"marketo_updated_at,omitempty"`
}

// Mapping is what is known of one mapping.
type Mapping struct {
	Mapping string `json:"mapping"`
	Table   string `json:"table"`
	Object  string `json:"object"`
	// Operation is that of the mapping: UPSERT, INSERT or UPDATE.
	Operation string `json:"operation"`
	// Findings are what is wrong with the mapping as a whole, by Marketo's
	// description of the object type.
	Findings []preflight.Finding `json:"findings,omitempty"`
	// Problem says why no rows could be shown.
	Problem string `json:"problem,omitempty"`
	// UsedBy are the campaigns and other assets that use the object type, as Marketo
	// tells over REST where the plan has that; UsedByUnknown says why it did not.
	UsedBy        []string `json:"used_by,omitempty"`
	UsedByUnknown string   `json:"used_by_unknown,omitempty"`
	// Asked is how many calls to Marketo its objects took; Unasked why they were not
	// looked up.
	Asked   int    `json:"calls_asked"`
	Unasked string `json:"not_asked,omitempty"`
	Rows    []Row  `json:"rows"`
	// Existing is what the rows cost that the table has now; Daily what its changes
	// cost.
	Existing *Existing `json:"existing,omitempty"`
	Daily    *Daily    `json:"daily,omitempty"`
	// Unknown says why there is no Daily.
	Unknown string `json:"daily_unknown,omitempty"`
}

// Count counts the rows of a verdict.
func (m *Mapping) Count(v Verdict) (n int) {
	for i := range m.Rows {
		if m.Rows[i].Verdict == v {
			n++
		}
	}
	return n
}

// Existing is the cost of a backfill.
type Existing struct {
	Rows  int64 `json:"rows"`
	Calls int64 `json:"calls"`
	// Seconds is how long it takes at the limits, Day the part of a day's calls.
	Seconds float64 `json:"seconds"`
	Day     float64 `json:"share_of_day"`
}

// Daily bounds what the changes of a table cost in a day.
type Daily struct {
	// Changes is how many rows are changed in a day, at the rate of Seconds.
	Changes float64 `json:"changes"`
	Seconds float64 `json:"counted_seconds"`
	// Least is where every call is full, Most where each change needs its own; Day is
	// the part of a day's calls that Most is, 0 for no limit.
	Least float64 `json:"least_calls"`
	Most  float64 `json:"most_calls"`
	Day   float64 `json:"share_of_day"`
}
