package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// extraction takes all objects of a type, in one job for each window.
type extraction struct {
	*look
	api  Extractor
	heap *heap
	// jobs are those that are queued and have not ended, each with how many looks in a
	// row have not found it.
	jobs map[string]int
	// left are the windows that have no job yet.
	left []window
}

const (
	// jobsAtOnce is how many jobs of ours are queued: Marketo takes ten of all
	// integrations together, and two of them run.
	jobsAtOnce = 8
	idName     = "marketoGUID"
)

// byExtract holds all rows against all objects.
func (l *look) byExtract(ctx context.Context) (err error) {
	x := &extraction{look: l, api: l.audit.Marketo.(Extractor), jobs: map[string]int{}, left: l.plan.windows}
	if x.heap, err = newHeap(2 * l.plan.Rows); err != nil {
		return err
	}
	defer x.heap.close()
	if err := x.queue(ctx); err != nil {
		if code := codeOf(err); len(x.jobs) == 0 && !l.plan.asked && slices.Contains([]string{"603", "616", "1029", "1035"}, code) {
			// Whether the subscription has extracts is known from the first one only.
			l.tally.Method = ByQuery
			return l.byQuery(ctx)
		}
		return errors.Join(err, x.cancel(ctx))
	}
	if err := x.rows(ctx); err != nil {
		return errors.Join(err, x.cancel(ctx))
	}
	if err := x.files(ctx); err != nil {
		return errors.Join(err, x.cancel(ctx))
	}
	return x.heap.each(x.compare)
}

// queue makes jobs for the windows that are left, as many as there is room for.
func (x *extraction) queue(ctx context.Context) error {
	shape := x.shape()
	for len(x.left) > 0 && len(x.jobs) < jobsAtOnce {
		w := x.left[0]
		e := marketo.Extract{Type: shape.Type, From: w.from, To: w.to, Fields: append(append([]string{idName}, shape.Key...), shape.Attributes...)}
		id, err := patient(ctx, func() (string, error) { return x.api.CreateExtract(ctx, e) })
		if err == nil {
			_, err = patient(ctx, func() (bool, error) { return true, x.api.EnqueueExtract(ctx, shape.Type, id) })
		}
		if codeOf(err) == "1029" && len(x.jobs) > 0 {
			return nil // when one of ours has ended, there is room
		}
		if err != nil {
			return x.refused(err)
		}
		x.jobs[id], x.left = 0, x.left[1:]
	}
	return nil
}

// codeOf is Marketo's code of an error; "" where it has none.
func codeOf(err error) string {
	var fault *marketo.Fault
	if errors.As(err, &fault) {
		return fault.Code
	}
	return ""
}

// refused says what to do where a job cannot be had.
func (x *extraction) refused(err error) error {
	if code := codeOf(err); code == "1029" || code == "1035" {
		return fmt.Errorf("%w; ask for the objects with --by query, or some of them with --sample", err)
	}
	return err
}

// cancel ends jobs that nobody waits for any more.
func (x *extraction) cancel(ctx context.Context) error {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer end()
	for id := range x.jobs {
		if err := x.api.CancelExtract(ctx, x.shape().Type, id); err != nil {
			return nil // it ends by itself, too
		}
	}
	return nil
}

// rows puts what the rows ask for on the heap.
func (x *extraction) rows(ctx context.Context) error {
	return x.table.each(ctx, func(rows []row) error {
		for i := range rows {
			x.tally.Rows++
			if e, ok := x.entryOf(&rows[i]); ok {
				if err := x.heap.put(e); err != nil {
					return err
				}
			}
		}
		x.tell(x.tally.Rows, int(x.plan.Rows))
		return nil
	})
}

// entryOf is what a row asks for. A row without a key asks nothing.
func (x *extraction) entryOf(r *row) (*entry, bool) {
	e := &entry{want: maybeObject, columns: r.columns, has: make([]uint32, len(x.shape().Attributes))}
	if r.matches && r.Problem != nil {
		x.tally.Unmappable++
	}
	if r.Object.Shape == nil {
		return nil, false
	}
	values := keyValues(&r.Object)
	if slices.ContainsFunc(values, func(v marketo.Value) bool { return v.Text == "" }) {
		return nil, false
	}
	e.key, e.spelling = x.keyOf(values), spelled(values)
	object, none, ok := x.expects(r)
	switch {
	case !ok:
		return e, true
	case none:
		e.want = noObject
	case r.matches && x.definition.Operation != marketo.Update:
		e.want = oneObject
	}
	x.tally.Compared++
	if none || r.matches && x.definition.Operation == marketo.Insert {
		return e, true
	}
	for i := range e.has {
		if v := object.Value(len(values) + i); v.Kind != marketo.Omitted {
			e.has[i] = x.attribute(i, v.Text)
		}
	}
	return e, true
}

// attribute is the hash of an attribute. What a file has for no value cannot be
// told from the same text.
func (x *extraction) attribute(i int, text string) uint32 {
	if text == marketo.ExtractNull {
		text = ""
	}
	return hashOf(canonical(text, x.types[strings.ToLower(x.shape().Attributes[i])]))
}

func spelled(values []marketo.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Text
	}
	return strings.Join(texts, "\x00")
}

// pauses are how many polls it is waited between two looks at the jobs: soon at
// first, and less often where they take long.
var pauses = []time.Duration{1, 1, 1, 2, 2, 3, 3, 5}

// files waits for the jobs, and puts the objects of their files on the heap.
func (x *extraction) files(ctx context.Context) error {
	for n := 0; len(x.jobs) > 0; n++ {
		if err := pause(ctx, x.poll()*pauses[min(n, len(pauses)-1)]); err != nil {
			return err
		}
		jobs, err := patient(ctx, func() ([]marketo.ExtractJob, error) { return x.api.Extracts(ctx, x.shape().Type) })
		if err != nil {
			return err
		}
		if err := x.ended(ctx, jobs); err != nil {
			return err
		}
		if err := x.queue(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ended takes the files of those jobs that have ended.
func (x *extraction) ended(ctx context.Context, jobs []marketo.ExtractJob) error {
	for id := range x.jobs {
		x.jobs[id]++
	}
	for i := range jobs {
		if _, ours := x.jobs[jobs[i].ID]; !ours {
			continue
		}
		if x.jobs[jobs[i].ID] = 0; !jobs[i].Over() {
			continue
		}
		delete(x.jobs, jobs[i].ID)
		if !jobs[i].Done() {
			return fmt.Errorf("an extract of %s ended as %s; try again, or --by query", x.shape().Type, jobs[i].Status)
		}
		if err := x.file(ctx, &jobs[i]); err != nil {
			return fmt.Errorf("extract of %s: %w", x.shape().Type, err)
		}
	}
	for _, missed := range x.jobs {
		if missed == tries {
			return fmt.Errorf("an extract of %s is not among the jobs that marketo lists; try again, or --by query", x.shape().Type)
		}
	}
	return nil
}

// poll is the time between two looks.
func (x *extraction) poll() time.Duration {
	return cmp.Or(x.audit.Poll, time.Minute)
}
