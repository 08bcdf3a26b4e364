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
	read := func() (bool, error) {
		_, err := x.api.ExtractFile(ctx, x.shape().Type, job.ID, to.written, to)
		return true, err
	}
	_, err := patient(ctx, read)
	for n := 1; n < tries && codeOf(err) == "http_404"; n++ { // of a job that has ended: its file is on its way
		if err = pause(ctx, time.Duration(n)*x.poll()); err == nil {
			_, err = patient(ctx, read)
		}
	}
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
		return 0, fmt.Errorf("read the file: %w", withoutText(err))
	}
	shape := x.shape()
	names := append(append([]string{idName}, shape.Key...), shape.Attributes...)
	at := make([]int, len(names))
	for i, name := range names {
		if at[i] = slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimPrefix(h, "\ufeff"), name) }); at[i] < 0 {
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
