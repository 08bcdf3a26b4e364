package audit

import (
	"context"
	"errors"
	"slices"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// againAtOnce is how many suspects are looked at again together.
const againAtOnce = 300

// again looks at the suspects once more.
func (l *look) again(ctx context.Context) error {
	done := 0
	for some := range slices.Chunk(l.suspects, againAtOnce) {
		err := l.againSome(ctx, some)
		if errors.Is(err, ErrBudget) {
			l.unjudged(len(l.suspects)-done, ErrBudget.Error())
			return nil
		}
		if err != nil {
			return err
		}
		done += len(some)
	}
	return nil
}

// againSome looks at some: the row, what Marketo has, what is on its way, and the
// row again. A change that is committed between the two readings shows in the
// rows; one that was committed before is awaited, or found with the daemon.
func (l *look) againSome(ctx context.Context, some []suspect) error {
	columns, folded, values := make([][]string, len(some)), make([]bool, len(some)), make([][]marketo.Value, len(some))
	for i, s := range some {
		columns[i], folded[i], values[i] = s.columns, s.rowless, s.values
	}
	before, err := l.table.some(ctx, columns, folded)
	if err != nil {
		return err
	}
	place, err := l.table.session.Committed(ctx)
	if err != nil {
		return err
	}
	reached, why, err := l.audit.Daemon.Reached(ctx, place)
	if err != nil {
		return err
	}
	if !reached {
		l.unjudged(len(some), "what was committed before is still on its way: "+why)
		return nil
	}
	has, err := l.ask(ctx, values)
	if err != nil {
		return err
	}
	bare, err := l.table.bare(ctx, columns)
	if err != nil {
		return err
	}
	keys := make([]string, len(some))
	for i := range some {
		if keys[i] = bare[i].Key; len(before[i]) > 0 {
			keys[i] = before[i][0].Key
		}
	}
	standing, err := l.audit.Daemon.Standing(ctx, l.definition.Name, keys)
	if err != nil {
		return err
	}
	after, err := l.table.some(ctx, columns, folded)
	if err != nil {
		return err
	}
	for i, s := range some {
		if l.unasked[l.keyOf(s.values)] {
			l.unjudged(1, marketo.ErrUnaskable.Error())
			continue
		}
		if standing[i].Busy || !slices.EqualFunc(before[i], after[i], sameRow) {
			l.tally.Waiting++
			continue
		}
		l.conclude(&s, after[i], &bare[i], has[l.keyOf(s.values)], standing[i].Refused)
	}
	return nil
}

func sameRow(a, b row) bool {
	return a.matches == b.matches && a.Key == b.Key && (a.Problem == nil) == (b.Problem == nil) &&
		(a.Object.Shape == nil || slices.Equal(a.Object.Values(), b.Object.Values()))
}

// conclude reports what is still so.
func (l *look) conclude(s *suspect, rows []row, bare *mapping.Write, has []marketo.Stored, refused *Refused) {
	columns := s.columns
	switch {
	case len(rows) > 1:
		l.tally.Shared++
		return
	case len(rows) == 0 && s.rowless:
		// A row that does not match is to its object as one that is not there.
		rows = []row{{Write: *bare}}
		if rows[0].Problem != nil || rows[0].Object.Shape == nil {
			rows[0].Problem, rows[0].Object = nil, marketo.NewObject(l.shape(), s.values)
			columns = nil
		}
	case len(rows) == 0:
		return // it has gone, and its object with it
	case s.rowless && rows[0].matches && !sameTexts(rows[0].Object, marketo.Stored{Values: s.values}):
		return // a row has the key in another spelling
	}
	kind, attributes, surplus := l.judge(&rows[0], has)
	if kind == "" {
		return
	}
	l.tally.count(kind)
	l.findings = append(l.findings, Finding{
		Kind: kind, Mapping: l.definition.Name, Object: l.definition.Object,
		Key: l.shape().WriteKey(s.values), Attributes: attributes, Refused: refused, Surplus: surplus, Columns: columns,
	})
}
