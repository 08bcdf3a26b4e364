package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// Method is how a first look finds what Marketo has.
type Method string

const (
	// ByExtract takes all objects of the type, in files.
	ByExtract Method = "extract"
	// ByQuery asks for the object of each row.
	ByQuery Method = "query"
	// BySample asks for those of some rows.
	BySample Method = "sample"
)

// Describer tells what a type is like.
type Describer interface {
	Describe(ctx context.Context, objectType string) (marketo.Description, error)
}

// Wish says how a mapping is to be looked at. The zero Wish takes the way with the
// fewest calls.
type Wish struct {
	Method Method
	// Sample is how many rows of a sample.
	Sample int
}

// Plan is how a mapping is looked at, and what that costs.
type Plan struct {
	// Mapping is the number of the mapping.
	Mapping int
	Method  Method
	// Rows is about how many the table has, Sample how many are looked at.
	Rows   int64
	Sample int
	// Calls is what the first look costs at most, as far as Rows is right. The
	// second one costs a call for each PerAgain keys that differ.
	Calls, PerAgain int
	// Why says why it is no extract, where one was not possible.
	Why string

	// asked is set where nothing but this Method will do.
	asked   bool
	types   map[string]string
	windows []window
}

// window is a range of time that one extract has.
type window struct{ from, to time.Time }

// Plan looks at a table and, where the API tells, at its type, which costs a call.
func (a *Audit) Plan(ctx context.Context, index int, wish Wish) (*Plan, error) {
	d := a.Set.Definition(index)
	if len(d.KeyColumns()) == 0 {
		return nil, fmt.Errorf("mapping %s: %w", d.Name, rowread.ErrNoKeyColumn)
	}
	p := &Plan{Mapping: index, Method: ByQuery, Sample: wish.Sample, asked: wish.Method != "", PerAgain: a.keysAtOnce(), types: map[string]string{}}
	if err := a.planRows(ctx, p); err != nil {
		return nil, err
	}
	if describer, ok := a.Marketo.(Describer); ok {
		if err := a.planType(ctx, p, describer); err != nil {
			return nil, fmt.Errorf("mapping %s: %w", d.Name, err)
		}
	} else {
		p.Why = "the SOAP API has no extracts"
	}
	p.Calls = calls(int(p.Rows), p.PerAgain)
	extract := extractCalls(len(p.windows))
	switch {
	case wish.Sample > 0:
		p.Method, p.Calls = BySample, calls(min(int(p.Rows), wish.Sample), p.PerAgain)
	case wish.Method == ByExtract && p.windows == nil:
		return nil, errors.New("mapping " + d.Name + " cannot be looked at by extract: " + p.Why)
	case p.windows != nil && wish.Method != ByQuery && (wish.Method == ByExtract || extract < p.Calls):
		p.Method, p.Calls = ByExtract, extract
	}
	return p, nil
}

func (a *Audit) planRows(ctx context.Context, p *Plan) error {
	t, err := a.open(ctx, p.Mapping)
	if err != nil {
		return err
	}
	defer t.close(ctx)
	p.Rows, err = t.session.CountRows(ctx, t.name)
	return err
}

// planType learns the types of fields, and whether objects can be extracted.
func (a *Audit) planType(ctx context.Context, p *Plan, describer Describer) error {
	d := a.Set.Definition(p.Mapping)
	described, err := patient(ctx, func() (marketo.Description, error) { return describer.Describe(ctx, d.Object) })
	if err != nil {
		return err
	}
	for _, f := range described.Fields {
		if !described.Learnt {
			p.types[strings.ToLower(f.Name)] = f.DataType
		}
	}
	linked := false
	for _, link := range described.Links {
		linked = linked || strings.EqualFold(link.Type(), "lead")
	}
	_, can := a.Marketo.(Extractor)
	created, dated := marketo.Moment(described.CreatedAt)
	switch {
	case !can:
		p.Why = "the API has no extracts"
	case !linked:
		p.Why = "only objects that are linked to leads can be extracted"
	case !dated:
		p.Why = "marketo does not say since when the type exists"
	default:
		p.windows = windows(created, time.Now())
	}
	return nil
}

// windows are the ranges of time in which all objects of a type were changed. One
// begins where the other ends: what was changed within that second is in both.
func windows(created, now time.Time) (all []window) {
	// The clocks may differ.
	const slack = 5 * time.Minute
	const length = marketo.LongestExtract - time.Second
	end := now.Add(slack).UTC().Truncate(time.Second)
	for from := created.Add(-slack).UTC().Truncate(time.Second); from.Before(end); from = from.Add(length) {
		to := from.Add(length)
		if to.After(end) {
			to = end
		}
		all = append(all, window{from, to})
	}
	return all
}

// calls is how many calls so many keys take.
func calls(keys, atOnce int) int { return (keys + atOnce - 1) / atOnce }

// extractCalls is how many calls so many extracts take at most, while nothing goes
// wrong: each is made, queued and fetched, and the jobs are looked at together.
func extractCalls(n int) int {
	if n == 0 {
		return 0
	}
	return 3*n + looks(n)
}

// looks is how often the jobs are looked at, at most: two run at a time.
func looks(n int) int { return 2 + n }

// Extractor is an API that writes objects into files.
type Extractor interface {
	CreateExtract(ctx context.Context, e marketo.Extract) (string, error)
	EnqueueExtract(ctx context.Context, objectType, id string) error
	CancelExtract(ctx context.Context, objectType, id string) error
	Extracts(ctx context.Context, objectType string) ([]marketo.ExtractJob, error)
	ExtractFile(ctx context.Context, objectType, id string, from int64, to io.Writer) (int64, error)
}
