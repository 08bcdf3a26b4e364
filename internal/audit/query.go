package audit

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// tooLarge reports whether an answer was too large to be read.
func tooLarge(err error) bool {
	var fault *marketo.Fault
	return errors.As(err, &fault) && (fault.Code == "reply" || fault.Class == marketo.FaultTooLarge)
}

// keysAtOnce is how many keys are asked for at once: a few less than the API takes,
// so that objects that are there twice do not need a page of their own.
func (a *Audit) keysAtOnce() int {
	most := a.Marketo.MostKeys()
	return most - most/30
}

// byQuery asks for the object of every row, as many as go into a call at once.
func (l *look) byQuery(ctx context.Context) error {
	var pending []row
	most := l.audit.keysAtOnce()
	err := l.table.each(ctx, func(rows []row) error {
		for i := range rows {
			l.tally.Rows++
			if l.comparable(&rows[i]) {
				pending = append(pending, rows[i])
			}
		}
		for len(pending) >= most {
			if err := l.compare(ctx, pending[:most]); err != nil {
				return err
			}
			pending = pending[most:]
			l.tell(l.tally.Compared, int(l.plan.Rows))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.compare(ctx, pending)
}

// bySample does so for some rows, each with the same chance.
func (l *look) bySample(ctx context.Context) error {
	var sample []row
	eligible := 0
	err := l.table.each(ctx, func(rows []row) error {
		for i := range rows {
			l.tally.Rows++
			if !l.comparable(&rows[i]) {
				continue
			}
			eligible++
			if len(sample) < l.plan.Sample {
				sample = append(sample, rows[i])
			} else if at := rand.IntN(eligible); at < len(sample) {
				sample[at] = rows[i]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for most := l.audit.keysAtOnce(); len(sample) > 0; sample = sample[min(most, len(sample)):] {
		if err := l.compare(ctx, sample[:min(most, len(sample))]); err != nil {
			return err
		}
	}
	return nil
}

// comparable reports whether a row asks anything of its object, and counts it if
// it cannot have one.
func (l *look) comparable(r *row) bool {
	if r.matches && r.Problem != nil {
		l.tally.Unmappable++
		return false
	}
	_, _, ok := l.expects(r)
	return ok
}

// compare asks for the objects of rows, and suspects those that differ.
func (l *look) compare(ctx context.Context, rows []row) error {
	keys, asked := make([][]marketo.Value, 0, len(rows)), make(map[string]int, len(rows))
	for i := range rows {
		values := keyValues(&rows[i].Object)
		key := l.keyOf(values)
		if asked[key]++; asked[key] == 1 {
			keys = append(keys, values)
		}
	}
	has, err := l.ask(ctx, keys)
	if err != nil {
		return err
	}
	l.tally.Compared += len(rows)
	for i := range rows {
		values := keyValues(&rows[i].Object)
		key := l.keyOf(values)
		switch {
		case asked[key] > 1:
			l.tally.Shared++
			continue
		case l.unasked[key]:
			l.unjudged(1, marketo.ErrUnaskable.Error())
			continue
		}
		if kind, _, _ := l.judge(&rows[i], has[key]); kind != "" {
			l.suspect(suspect{columns: rows[i].columns, values: values})
		}
	}
	return nil
}

func (l *look) tell(done, of int) {
	if l.audit.Tell != nil {
		l.audit.Tell(l.definition.Name, done, of)
	}
}
