package audit

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
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
	// jobs are those that are queued and have not ended.
	jobs map[string]bool
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
	x := &extraction{look: l, api: l.audit.Marketo.(Extractor), jobs: map[string]bool{}, left: l.plan.windows}
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
		x.jobs[id], x.left = true, x.left[1:]
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
	poll := x.audit.Poll
	if poll == 0 {
		poll = time.Minute
	}
	for n := 0; len(x.jobs) > 0; n++ {
		select {
		case <-time.After(poll * pauses[min(n, len(pauses)-1)]):
		case <-ctx.Done():
			return ctx.Err()
		}
		jobs, err := patient(ctx, func() ([]marketo.ExtractJob, error) { return x.api.Extracts(ctx, x.shape().Type) })
		if err != nil {
			return err
		}
		for i := range jobs {
			if !x.jobs[jobs[i].ID] || !jobs[i].Over() {
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
		if err := x.queue(ctx); err != nil {
			return err
		}
	}
	return nil
}

// file puts the objects of a file on the heap.
func (x *extraction) file(ctx context.Context, job *marketo.ExtractJob) error {
	if job.Records == 0 {
		return nil
	}
	from, to := io.Pipe()
	sum := &summed{to: to, hash: sha256.New()}
	go func() { to.CloseWithError(x.fetch(ctx, job, sum)) }()
	read, err := x.objects(from)
	from.CloseWithError(err)
	switch {
	case err != nil:
		return err
	case read != job.Records:
		return fmt.Errorf("the file has %d records, and %d were announced", read, job.Records)
	case job.Checksum != "" && !strings.EqualFold(job.Checksum, "sha256:"+hex.EncodeToString(sum.hash.Sum(nil))):
		return errors.New("the file is not the one whose checksum was announced; try again")
	}
	return nil
}

// fetch writes a file, and goes on where it broke off.
func (x *extraction) fetch(ctx context.Context, job *marketo.ExtractJob, to *summed) error {
	_, err := patient(ctx, func() (bool, error) {
		_, err := x.api.ExtractFile(ctx, x.shape().Type, job.ID, to.written, to)
		return true, err
	})
	if err == nil && to.written < job.Bytes {
		err = fmt.Errorf("the file ends after %d of %d bytes", to.written, job.Bytes)
	}
	return err
}

// summed counts and sums what is written.
type summed struct {
	to      io.Writer
	hash    hash.Hash
	written int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.hash.Write(p[:n])
	s.written += int64(n)
	return n, err
}

// objects puts the records of a file on the heap, and returns how many there are.
func (x *extraction) objects(from io.Reader) (n int, err error) {
	r := csv.NewReader(from)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return 0, fmt.Errorf("read the file: %w", errors.Unwrap(err))
	}
	shape := x.shape()
	names := append(append([]string{idName}, shape.Key...), shape.Attributes...)
	at := make([]int, len(names))
	for i, name := range names {
		if at[i] = slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(h, name) }); at[i] < 0 {
			return 0, fmt.Errorf("the file has no column %s", name)
		}
	}
	values := make([]marketo.Value, len(shape.Key))
	e := &entry{want: anObject, has: make([]uint32, len(shape.Attributes))}
	for ; ; n++ {
		record, err := r.Read()
		if err == io.EOF {
			x.tally.Objects += n
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read record %d of the file: %w", n+1, withoutText(err))
		}
		for i := range values {
			values[i] = marketo.Value{Kind: marketo.String, Text: record[at[1+i]]}
		}
		e.key, e.spelling, e.guid = x.keyOf(values), spelled(values), hash64(record[at[0]])
		for i := range e.has {
			e.has[i] = x.attribute(i, record[at[1+len(values)+i]])
		}
		if err := x.heap.put(e); err != nil {
			return n, err
		}
	}
}

// withoutText is the reason of an error, which may have a place but no value.
func withoutText(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}
