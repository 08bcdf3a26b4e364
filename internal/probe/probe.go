// Package probe asks a custom object type, made for it, what Marketo's documentation
// leaves open: which keys are one, whether two calls at once make one object, and
// what becomes of nulls, empty texts and fields that are not there.
//
// The promise: it writes objects with keys of its own only, and removes them again,
// also where it breaks off; those that could not be removed are named. An answer is
// what was read back, and "unknown" where that does not tell. It is kept in a file
// beside the state file.
//
// The limits: REST only. What one type does need not be what another does, and what
// two calls at once do may be another thing the next time.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// API is what a probe needs of Marketo.
type API interface {
	marketo.Client
	Describe(ctx context.Context, objectType string) (marketo.Description, error)
	Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error)
	Remove(ctx context.Context, objectType string, guids []string) ([]marketo.Result, error)
}

// MostCalls is how many calls to Marketo a probe makes at most.
const MostCalls = 60

// Unknown is the answer where what was read back does not tell.
const Unknown = "unknown"

// Answer is what was found out.
type Answer struct {
	// Question is one of case, trailing_blanks, concurrent_creation, null,
	// empty_text and unknown_field.
	Question string `json:"question"`
	Answer   string `json:"answer"`
	// Means says it in words.
	Means string `json:"means"`
}

// Record is all that a probe has found out, and of what.
type Record struct {
	Endpoint string    `json:"endpoint"`
	Type     string    `json:"type"`
	At       time.Time `json:"at"`
	Answers  []Answer  `json:"answers"`
	// Left are keys of objects that could not be removed.
	Left []string `json:"left,omitempty"`
}

// probe is one on its way.
type probe struct {
	ctx   context.Context
	api   API
	admit func(context.Context) error
	// key is the dedupe field that is tried out, text a field that takes a text.
	name, key, text string
	// others are the other dedupe fields and what they get.
	others []string
	kinds  []marketo.Value
	prefix string
	keys   []string
}

// Run asks a type. admit is asked before each call of Sync; the API asks for the
// others.
func Run(ctx context.Context, api API, admit func(context.Context) error, objectType string) (r Record, err error) {
	p := &probe{ctx: ctx, api: api, admit: admit, prefix: "cdcsync-probe-" + strings.ToLower(rand.Text()[:10]) + "-"}
	d, err := api.Describe(ctx, objectType)
	if err != nil {
		return r, fmt.Errorf("probe: %w", err)
	}
	if err := p.fit(&d); err != nil {
		return r, fmt.Errorf("probe: custom object %s: %w", objectType, err)
	}
	r = Record{Type: d.Name, At: time.Now().UTC().Truncate(time.Second)}
	defer func() { r.Left = p.clean() }()
	for _, ask := range []func() (Answer, error){p.caseOfKeys, p.blanks, p.concurrent, p.null, p.empty, p.unknownField} {
		a, err := ask()
		if err != nil {
			return r, fmt.Errorf("probe: %s: %w", a.Question, err)
		}
		r.Answers = append(r.Answers, a)
	}
	return r, nil
}

// fit chooses the fields.
func (p *probe) fit(d *marketo.Description) error {
	p.name = d.Name
	kind := func(name string) string {
		if f := d.Field(name); f != nil {
			return strings.ToLower(f.DataType)
		}
		return ""
	}
	for _, name := range d.DedupeFields {
		switch k := kind(name); {
		case p.key == "" && (k == "string" || k == "text"):
			p.key = name
		case k == "string" || k == "text":
			p.others, p.kinds = append(p.others, name), append(p.kinds, text("probe"))
		case k == "integer" || k == "float" || k == "currency":
			p.others, p.kinds = append(p.others, name), append(p.kinds, marketo.Value{Kind: marketo.Number, Text: "1"})
		default:
			return fmt.Errorf("its dedupe field %s is of type %s; make one whose dedupe fields are texts", name, k)
		}
	}
	for _, f := range d.Fields {
		k := strings.ToLower(f.DataType)
		linked := slices.ContainsFunc(d.Links, func(l marketo.Link) bool { return strings.EqualFold(l.Field, f.Name) })
		if f.Updateable && !linked && (k == "string" || k == "text") && !slices.Contains(d.DedupeFields, f.Name) && p.text == "" {
			p.text = f.Name
		}
	}
	if p.key == "" || p.text == "" {
		return errors.New("a probe takes a dedupe field and another one of type string; make a type with both")
	}
	return nil
}

func text(s string) marketo.Value { return marketo.Value{Kind: marketo.String, Text: s} }

func (p *probe) shape(attributes ...string) *marketo.Shape {
	return &marketo.Shape{Type: p.name, Key: append([]string{p.key}, p.others...), Attributes: attributes}
}

// object is one with a key of ours, and values of attributes.
func (p *probe) object(shape *marketo.Shape, key string, values ...marketo.Value) marketo.Object {
	p.keys = append(p.keys, key)
	return marketo.NewObject(shape, slices.Concat([]marketo.Value{text(p.prefix + key)}, p.kinds, values))
}

// write sends one object.
func (p *probe) write(o marketo.Object, op marketo.Operation) (marketo.Result, error) {
	if err := p.admit(p.ctx); err != nil {
		return marketo.Result{}, err
	}
	reply := p.api.Sync(p.ctx, &marketo.Batch{Type: p.name, Operation: op, Objects: []marketo.Object{o}})
	if reply.Fault != nil {
		return marketo.Result{}, reply.Fault
	}
	return reply.Results[0], nil
}

// lookAgain is how often what was written is looked for: Marketo does not promise
// that it is there at once.
const lookAgain = 3

// find returns what Marketo has of keys of ours, once that is at least so many.
func (p *probe) find(least int, keys ...string) (found []marketo.Stored, err error) {
	q := marketo.Query{Type: p.name, Key: p.shape().Key, Fields: []string{p.text}}
	for _, key := range keys {
		q.Keys = append(q.Keys, append([]marketo.Value{text(p.prefix + key)}, p.kinds...))
	}
	for n := 0; n < lookAgain; n++ {
		if found, err = p.api.Query(p.ctx, q); err != nil || len(found) >= least {
			return found, err
		}
		select {
		case <-time.After(time.Second):
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		}
	}
	return found, nil
}

// spellings writes an object, and one with another spelling of its key.
func (p *probe) spellings(question, one, other, what string) (Answer, error) {
	a := Answer{Question: question, Answer: Unknown, Means: "whether " + what + " are one is not known"}
	shape := p.shape(p.text)
	first, err := p.write(p.object(shape, one, text("one")), marketo.Upsert)
	if err != nil {
		return a, err
	}
	second, err := p.write(p.object(shape, other, text("other")), marketo.Upsert)
	if err != nil {
		return a, err
	}
	found, err := p.find(1, one)
	if err != nil {
		return a, err
	}
	value := ""
	if len(found) == 1 {
		value = found[0].Values[len(found[0].Values)-1].Text
	}
	switch {
	case first.Status == marketo.Created && second.Status == marketo.Created && value == "one":
		a.Answer, a.Means = "apart", what+" are two objects"
	case first.Status == marketo.Created && second.Status == marketo.Updated && value == "other":
		a.Answer, a.Means = "one", what+" are one object"
	}
	return a, nil
}

func (p *probe) caseOfKeys() (Answer, error) {
	return p.spellings("case", "case-a", "case-A", "keys that differ in case")
}

func (p *probe) blanks() (Answer, error) {
	return p.spellings("trailing_blanks", "blank", "blank ", "keys that differ in blanks at the end")
}

// pairs is how often two calls are made at once.
const pairs = 4

// concurrent has two calls create one key at the same time.
func (p *probe) concurrent() (Answer, error) {
	a := Answer{Question: "concurrent_creation", Answer: Unknown, Means: "whether two calls at once make one object is not known"}
	shape := p.shape(p.text)
	doubled, once := 0, 0
	for n := range pairs {
		key := fmt.Sprint("pair-", n)
		o := p.object(shape, key, text("x"))
		var calls sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			if err := p.admit(p.ctx); err != nil {
				return a, err
			}
			calls.Go(func() {
				reply := p.api.Sync(p.ctx, &marketo.Batch{Type: p.name, Operation: marketo.Upsert, Objects: []marketo.Object{o}})
				if reply.Fault != nil {
					errs[i] = reply.Fault
				}
			})
		}
		calls.Wait()
		if err := errors.Join(errs...); err != nil {
			return a, err
		}
		found, err := p.find(1, key)
		if err != nil {
			return a, err
		}
		switch len(found) {
		case 0:
		case 1:
			once++
		default:
			doubled++
		}
	}
	switch {
	case doubled > 0:
		a.Answer, a.Means = "two", fmt.Sprintf("two calls that create one key at the same time made two objects, %d times of %d", doubled, pairs)
	case once == pairs:
		a.Answer, a.Means = "one", fmt.Sprintf("two calls that create one key at the same time made one object, %d times of %d; that is no promise", once, pairs)
	}
	return a, nil
}

// cleared writes a text, and then a value that may clear it.
func (p *probe) cleared(question, key string, value marketo.Value, what string) (Answer, error) {
	a := Answer{Question: question, Answer: Unknown, Means: "what " + what + " does is not known"}
	shape := p.shape(p.text)
	if _, err := p.write(p.object(shape, key, text("before")), marketo.Upsert); err != nil {
		return a, err
	}
	second, err := p.write(p.object(shape, key, value), marketo.Upsert)
	if err != nil {
		return a, err
	}
	if second.Outcome != marketo.Confirmed {
		a.Answer, a.Means = "refused", what+" is refused with "+second.Code
		return a, nil
	}
	found, err := p.find(1, key)
	if err != nil || len(found) != 1 {
		return a, err
	}
	switch has := found[0].Values[len(found[0].Values)-1]; {
	case has.Kind == marketo.Null:
		a.Answer, a.Means = "cleared", what+" clears a field"
	case has.Text == "":
		a.Answer, a.Means = "empty", what+" makes a field an empty text"
	case has.Text == "before":
		a.Answer, a.Means = "kept", what+" leaves a field as it is"
	}
	return a, nil
}

func (p *probe) null() (Answer, error) {
	return p.cleared("null", "null", marketo.Value{Kind: marketo.Null}, "null")
}

func (p *probe) empty() (Answer, error) {
	return p.cleared("empty_text", "empty", text(""), "an empty text")
}

// unknownField writes a field that the type has not.
func (p *probe) unknownField() (Answer, error) {
	a := Answer{Question: "unknown_field", Answer: Unknown, Means: "what a field does that is not there is not known"}
	result, err := p.write(p.object(p.shape("cdcsyncNoSuchField"), "field", text("x")), marketo.Upsert)
	var fault *marketo.Fault
	switch {
	case errors.As(err, &fault) && fault.Class == marketo.FaultRefused:
		a.Answer, a.Means = "call refused", "a field that is not there has the whole call refused with "+fault.Code
	case err != nil:
		return a, err
	case result.Outcome == marketo.Confirmed:
		a.Answer, a.Means = "ignored", "a field that is not there is left out, without a word"
	default:
		a.Answer, a.Means = "object refused", "an object with a field that is not there is refused with "+result.Code
	}
	return a, nil
}

// clean removes what was written, and returns the keys of what is left.
func (p *probe) clean() (left []string) {
	ctx, end := context.WithTimeout(context.WithoutCancel(p.ctx), time.Minute)
	defer end()
	p.ctx = ctx
	slices.Sort(p.keys)
	keys := slices.Compact(p.keys)
	if len(keys) == 0 {
		return nil
	}
	for range 2 {
		found, err := p.find(0, keys...)
		var ids []string
		for _, s := range found {
			ids = append(ids, s.GUID)
		}
		if err == nil && len(ids) == 0 {
			return nil
		}
		if err == nil {
			_, _ = p.api.Remove(p.ctx, p.name, ids) // the next look tells
		}
	}
	found, err := p.find(0, keys...)
	if err != nil {
		return []string{p.prefix + "*"}
	}
	for _, s := range found {
		left = append(left, s.Values[0].Text)
	}
	return left
}
