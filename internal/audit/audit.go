// Package audit compares the rows of mapped tables with what Marketo has, beside
// the running daemon and within a number of calls that is fixed before.
//
// The promise: what is reported was looked at twice. The first look only names
// suspects. Of each the row is read again, everything committed by then is awaited,
// Marketo is asked, the daemon is asked whether anything of the key is on its way,
// parked, or refused and to be tried again, and the row is read once more: a difference is reported only if
// the row did not change meanwhile and nothing of its key waits. Values are compared
// by the types of Marketo's fields, so that what Marketo writes in another way is
// the same. No call is made beyond the budget. What is compared is held on disk, in
// a file without a name, and not in memory.
//
// The limits: an object without a row is found by an extract alone, and by queries
// only where the row is there and where leaves it out. An extract cannot tell null
// from the text "null". Keys that differ in case or trailing blanks only are taken
// for one, as Marketo may do.
package audit

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Kind is a way in which Marketo is not as the table.
type Kind string

const (
	// Missing: a row has no object.
	Missing Kind = "missing"
	// Different: attributes of the object are not those of the row.
	Different Kind = "different"
	// Extra: on_delete would have deleted the object.
	Extra Kind = "extra"
	// Doubled: the row has several objects.
	Doubled Kind = "doubled"
)

// Finding is a difference that was looked at twice. Its keys are values of rows:
// it is not for logs.
type Finding struct {
	Kind    Kind   `json:"kind"`
	Mapping string `json:"mapping"`
	Object  string `json:"object"`
	// Key has the dedupe fields, id=42.
	Key string `json:"key"`
	// Attributes are those that differ; their values are not kept.
	Attributes []string `json:"attributes,omitempty"`
	// Refused says that a backfill could not send the row; nil where none did.
	Refused *Refused `json:"refused,omitempty"`
	// Surplus are Marketo's ids of a doubled object, but for the one that was
	// written last; none where the API does not tell ids.
	Surplus []string `json:"surplus_ids,omitempty"`
	// Columns are the values of the mapping's key columns; none where no row can have
	// such values.
	Columns []string `json:"-"`
}

// Refused is when Marketo refused the row of a backfill, and with what code; empty
// where it gave none.
type Refused struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
}

// Tally is what was looked at of one mapping, and what was found.
type Tally struct {
	Mapping string `json:"mapping"`
	Object  string `json:"object"`
	// Method is extract, query or sample.
	Method Method `json:"method"`
	// Rows were read, and Compared of them held against Marketo; Objects came
	// from an extract.
	Rows     int `json:"rows"`
	Compared int `json:"compared"`
	Objects  int `json:"objects,omitempty"`
	// Missing, Different, Extra and Doubled count the findings. Extra is nil where none
	// was found, and ExtraUnknown says why objects without any row were not looked for.
	Missing      int    `json:"missing"`
	Different    int    `json:"different"`
	Extra        *int   `json:"extra"`
	ExtraUnknown string `json:"extra_unknown,omitempty"`
	Doubled      int    `json:"doubled"`
	// Retained objects have no row and may stay, by on_delete. Unmappable rows
	// cannot become objects, Shared ones have a key that others have, too.
	Retained   int `json:"retained,omitempty"`
	Unmappable int `json:"unmappable,omitempty"`
	Shared     int `json:"shared,omitempty"`
	// Waiting suspects are on their way, parked, or refused and to be tried again, or
	// changed while they were looked at. Unjudged ones were not looked at twice: Why.
	Waiting  int    `json:"waiting,omitempty"`
	Unjudged int    `json:"unjudged,omitempty"`
	Why      string `json:"unjudged_because,omitempty"`
}

func (t *Tally) count(k Kind) {
	switch k {
	case Missing:
		t.Missing++
	case Different:
		t.Different++
	case Extra:
		if t.Extra == nil {
			t.Extra = new(int)
		}
		*t.Extra++
	case Doubled:
		t.Doubled++
	}
}

// Asked is Marketo, as far as every API can be asked.
type Asked interface {
	MostKeys() int
	Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error)
}

// Daemon is the one that delivers.
type Daemon interface {
	// Reached waits until everything committed before a place is in Marketo or
	// parked. Why says what it waits for where that takes too long.
	Reached(ctx context.Context, lsn pgoutput.LSN) (ok bool, why string, err error)
	// Standing says how keys (mapping.Write.Key) of a mapping stand.
	Standing(ctx context.Context, mapping string, keys []string) ([]Standing, error)
}

// Standing is what the daemon has of a key.
type Standing struct {
	// Busy is set while something of it is on its way or parked, or is to be tried
	// again by itself.
	Busy bool
	// Refused says that a backfill could not send its row; nil where none did.
	Refused *Refused
}

// Audit compares. All fields but Poll and Tell are needed.
type Audit struct {
	Set    *mapping.Set
	Source *replication.Source
	// Marketo makes no call that Budget does not admit.
	Marketo Asked
	Budget  *Budget
	Daemon  Daemon
	// Poll is how long it is waited before the jobs of an extract are looked at;
	// zero is a minute, as Marketo tells no news sooner.
	Poll time.Duration
	// Tell says what takes long; nil tells nobody.
	Tell func(what string, done, of int)
}

// Run compares the rows of one mapping as its plan says. With an error it returns
// what was found until then.
func (a *Audit) Run(ctx context.Context, p *Plan) (Tally, []Finding, error) {
	d := a.Set.Definition(p.Mapping)
	l := &look{
		audit: a, plan: p, definition: d, types: p.types, index: p.Mapping, unasked: map[string]bool{},
		tally: Tally{Mapping: d.Name, Object: d.Object, Method: p.Method},
	}
	err := l.run(ctx)
	slices.SortFunc(l.findings, func(x, y Finding) int { return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key)) })
	return l.tally, l.findings, err
}
