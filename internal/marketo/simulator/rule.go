package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rule programs a fault. It names the calls it is for, and what becomes of
// them. The zero value of a match field matches everything; the zero value of
// an action field does nothing. Of the rules with actions on the whole call
// the first that matches acts; those on Objects all act.
type Rule struct {
	// Name is shown in the call log; empty means the number of the rule.
	Name string `json:"name,omitempty"`

	// API is "soap" or "rest".
	API string `json:"api,omitempty"`
	// Operation is sync, delete, get, describe, list, usage, token, export or file.
	Operation string `json:"operation,omitempty"`
	// Type is the custom object type, in any case.
	Type string `json:"type,omitempty"`
	// After passes over that many matching calls.
	After int `json:"after,omitempty"`
	// Every takes only every n-th of the matching calls, the first included.
	Every int `json:"every,omitempty"`
	// Times is how many calls the rule takes; then it is used up.
	Times int `json:"times,omitempty"`
	// Probability of taking a matching call, between 0 and 1; zero means 1.
	Probability float64 `json:"probability,omitempty"`

	// Code answers with a fault of the API; the call is not executed unless
	// Apply says so. Message goes with it.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Status answers with a bare HTTP status and Body, an HTML page when
	// empty; not executed unless Apply says so. RetryAfter, in seconds, and
	// Location become headers.
	Status     int    `json:"status,omitempty"`
	Body       string `json:"body,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"`
	Location   string `json:"location,omitempty"`
	// Drop breaks the connection without an answer.
	Drop Drop `json:"drop,omitempty"`
	// Latency is added to the call's own.
	Latency time.Duration `json:"latency,omitempty"`
	// Hang keeps the call for that long, or until Release; HangForever only
	// until Release. Then it goes on as ever, client or no client.
	Hang time.Duration `json:"hang,omitempty"`
	// Cut ends the answer after that many bytes of its body and breaks the
	// connection.
	Cut int `json:"cut,omitempty"`
	// Drip sends the body in pieces of 64 bytes with this pause between them.
	Drip time.Duration `json:"drip,omitempty"`
	// Reply spoils the answer of an executed call.
	Reply Spoil `json:"reply,omitempty"`
	// Apply says when the call is executed; empty leaves it to Options and to
	// the action.
	Apply Apply `json:"apply,omitempty"`

	// Objects makes single objects fail. A rule that has it acts on objects
	// only.
	Objects *ObjectFault `json:"objects,omitempty"`
}

// ObjectFault says which objects of a call fail, and how. They are answered
// with FAILED over SOAP, and with skipped and a reason over REST.
type ObjectFault struct {
	// Key takes only the object with this Key.
	Key string `json:"key,omitempty"`
	// Fields takes only objects that the call gives these values, in their
	// stored form.
	Fields map[string]string `json:"fields,omitempty"`
	// Modulus takes only objects whose first dedupe field is a whole number
	// that leaves Remainder.
	Modulus   int64 `json:"modulus,omitempty"`
	Remainder int64 `json:"remainder,omitempty"`
	// Probability of taking an object, between 0 and 1; zero means 1.
	Probability float64 `json:"probability,omitempty"`
	// Code is REST's, such as 1004; empty means 1003.
	Code string `json:"code,omitempty"`
	// Message is the reason of REST and the error text of SOAP; empty means
	// "Invalid data".
	Message string `json:"message,omitempty"`
}

// Drop says when a connection breaks.
type Drop string

const (
	// DropBefore breaks it before the call is executed: it never is.
	DropBefore Drop = "before"
	// DropAfter breaks it after the call was executed.
	DropAfter Drop = "after"
)

// Apply says when a call is executed.
type Apply string

const (
	// ApplyStart executes it before its latency and hang.
	ApplyStart Apply = "start"
	// ApplyEnd executes it after them, even when the client has gone.
	ApplyEnd Apply = "end"
	// ApplyNever leaves it, with a fault as the answer.
	ApplyNever Apply = "never"
)

// Spoil says what is wrong with an answer.
type Spoil string

const (
	SpoilMissing   Spoil = "missing"   // the first object has no status
	SpoilDoubled   Spoil = "doubled"   // the first object has two
	SpoilForeign   Spoil = "foreign"   // one status is of an object that was not sent
	SpoilUnknown   Spoil = "unknown"   // the first status is a word nobody knows
	SpoilReversed  Spoil = "reversed"  // the order is turned around
	SpoilBoth      Spoil = "both"      // success and fault in one answer
	SpoilMalformed Spoil = "malformed" // the document ends early
	SpoilHTML      Spoil = "html"      // an HTML page with status 200
	SpoilEmpty     Spoil = "empty"     // no body
)

// HangForever is the Hang that only Release ends.
const HangForever time.Duration = -1

// refuses reports whether the rule answers in place of executing.
func (r *Rule) refuses() bool {
	return r.Code != "" || r.Status != 0 || r.Drop == DropBefore || r.Apply == ApplyNever
}

// check reports the first word or number that a rule cannot have.
func (r *Rule) check() error {
	operations := []string{"", opSync, opDelete, opGet, opDescribe, opList, opUsage, opAssets, opToken, opExport, opFile}
	spoils := []Spoil{"", SpoilMissing, SpoilDoubled, SpoilForeign, SpoilUnknown, SpoilReversed, SpoilBoth, SpoilMalformed, SpoilHTML, SpoilEmpty}
	switch {
	case !slices.Contains([]string{"", apiSOAP, apiREST}, r.API):
		return fmt.Errorf("rule: api %q: soap or rest", r.API)
	case !slices.Contains(operations, r.Operation):
		return fmt.Errorf("rule: operation %q: one of %q", r.Operation, operations[1:])
	case !slices.Contains([]Drop{"", DropBefore, DropAfter}, r.Drop):
		return fmt.Errorf("rule: drop %q: before or after", r.Drop)
	case !slices.Contains([]Apply{"", ApplyStart, ApplyEnd, ApplyNever}, r.Apply):
		return fmt.Errorf("rule: apply %q: start, end or never", r.Apply)
	case !slices.Contains(spoils, r.Reply):
		return fmt.Errorf("rule: reply %q: one of %q", r.Reply, spoils[1:])
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("rule: status %d: 200 to 599", r.Status)
	case r.After < 0 || r.Every < 0 || r.Times < 0 || r.Cut < 0 || r.RetryAfter < 0 || r.Latency < 0 || r.Drip < 0:
		return errors.New("rule: numbers and durations must not be negative")
	case r.Hang < 0 && r.Hang != HangForever:
		return errors.New(`rule: hang must not be negative; "forever" waits for a release`)
	case !probability(r.Probability) || r.Objects != nil && !probability(r.Objects.Probability):
		return errors.New("rule: probability is between 0 and 1")
	case r.Objects != nil && r.Objects.Modulus < 0:
		return errors.New("rule: modulus must not be negative")
	}
	return nil
}

func probability(p float64) bool { return p >= 0 && p <= 1 }

// UnmarshalJSON reads a rule strictly. Durations are text such as "1.5s".
func (r *Rule) UnmarshalJSON(data []byte) error {
	type plain Rule
	shadow := struct {
		*plain
		Latency duration `json:"latency"`
		Hang    duration `json:"hang"`
		Drip    duration `json:"drip"`
	}{plain: (*plain)(r)}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&shadow); err != nil {
		return err
	}
	r.Latency, r.Hang, r.Drip = time.Duration(shadow.Latency), time.Duration(shadow.Hang), time.Duration(shadow.Drip)
	return r.check()
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (r Rule) MarshalJSON() ([]byte, error) {
	type plain Rule
	return json.Marshal(struct {
		plain
		Latency duration `json:"latency,omitempty"`
		Hang    duration `json:"hang,omitempty"`
		Drip    duration `json:"drip,omitempty"`
	}{plain(r), duration(r.Latency), duration(r.Hang), duration(r.Drip)})
}

// duration is a time.Duration that is text in JSON.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*d = duration(HangForever)
		return nil
	}
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

func (d duration) MarshalText() ([]byte, error) {
	if d == duration(HangForever) {
		return []byte("forever"), nil
	}
	return []byte(time.Duration(d).String()), nil
}
