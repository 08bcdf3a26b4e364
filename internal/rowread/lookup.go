package rowread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

const (
	// firstAtOnce and mostAtOnce are how many writes are looked up at once, at
	// first and at most: more as long as what they take is small.
	firstAtOnce, mostAtOnce = 256, 2048
	// maxTaken bounds the bytes of values that are taken at once, about.
	maxTaken = 1 << 20
	// lookupsAtOnce is the most keys that are looked up in one query.
	lookupsAtOnce = 1000
)

// LookUp completes writes with what they take from other tables: all that has to
// be found in one table is read together, each key once. It is the way of every
// write, of whatever feed: one that is not completed must not be delivered. The
// transactions xids are visible to what is read, which may be newer than they
// are; ErrNotVisible says that one is not visible yet. After an error some of the
// writes may be complete.
func (r *Session) LookUp(ctx context.Context, set *mapping.Set, writes []*mapping.Write, xids []uint32) error {
	for len(writes) > 0 {
		n, err := r.LookUpSome(ctx, set, writes, xids)
		if err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// LookUpSome is LookUp of the first of these writes, at least one: no more than
// take about a megabyte. It says how many.
func (r *Session) LookUpSome(ctx context.Context, set *mapping.Set, writes []*mapping.Write, xids []uint32) (int, error) {
	if r.atOnce == 0 {
		r.atOnce = firstAtOnce
	}
	writes = writes[:min(len(writes), r.atOnce)]
	l := lookups{set: set, xids: xids, columns: make(map[place]*mapping.LookupColumn)}
	for _, w := range writes {
		for _, sought := range w.Sought {
			l.add(w.Mapping, sought)
		}
		l.firstAdded()
	}
	for _, g := range l.groups {
		if err := l.read(ctx, r, g); err != nil {
			return 0, fmt.Errorf("look up values in %s.%s: %w", g.table.Schema, g.table.Name, withRemedy(err))
		}
	}
	n := l.supply(writes)
	if n < len(writes) {
		r.atOnce = n
	} else {
		r.atOnce = min(2*r.atOnce, mostAtOnce)
	}
	return n, nil
}

// supply completes writes, as long as that takes no more than it may, and says how
// many.
func (l *lookups) supply(writes []*mapping.Write) int {
	taken := 0
	for n, w := range writes {
		if w.Sought == nil {
			continue
		}
		found := make([]mapping.Found, len(w.Sought))
		for i, sought := range w.Sought {
			var left bool
			if found[i], left = l.found(w.Mapping, sought); left || n > 0 && taken >= maxTaken {
				return n
			}
		}
		before := w.Bytes
		l.set.Supply(w, found)
		taken += w.Bytes - before
	}
	return len(writes)
}

// place names an attribute: of which mapping, and which one.
type place struct{ mapping, attribute int }

// lookups is what one LookUp has to find.
type lookups struct {
	set    *mapping.Set
	xids   []uint32
	groups []*group
	// columns are those that values were taken from, once their table was
	// described.
	columns map[place]*mapping.LookupColumn
}

// group is what has to be found in one table by the same columns.
type group struct {
	table  catalog.TableName
	theirs []string
	// columns are wanted of its rows; places are the attributes that want them.
	columns []string
	places  []place
	keys    []Key
	// number is the place among keys of the values, which are joined.
	number map[string]int
	// first is how many of keys are those of the first write, which are read
	// whatever they take; taken is what was.
	first, taken int
	// at is where each of columns is in a row.
	at   []int
	rows []answer
}

// answer is what was found for a key.
type answer struct {
	rows [][]pgoutput.Value
	err  error
	// left is set when it was not kept, as others take enough.
	left bool
}

func (l *lookups) add(index int, sought mapping.Sought) {
	g := l.group(index, sought.Attribute)
	if sought.Values == nil {
		return // it is known to be null; only its column is asked for
	}
	joined := strings.Join(sought.Values, "\x00")
	if _, ok := g.number[joined]; !ok {
		g.number[joined] = len(g.keys)
		g.keys = append(g.keys, Key{Values: sought.Values})
	}
}

// firstAdded notes, behind the first write that seeks anything, which keys are its.
func (l *lookups) firstAdded() {
	if slices.ContainsFunc(l.groups, func(g *group) bool { return g.first > 0 }) {
		return
	}
	for _, g := range l.groups {
		g.first = len(g.keys)
	}
}

// keep keeps what was found for a key, while there is room.
func (g *group) keep(i int, rows [][]pgoutput.Value, err error) {
	if i >= g.first && g.taken >= maxTaken {
		g.rows[i] = answer{left: true}
		return
	}
	for _, row := range rows {
		for _, value := range row {
			g.taken += len(value.Text)
		}
	}
	g.rows[i] = answer{rows: rows, err: err}
}

// group returns the group of an attribute's lookup.
func (l *lookups) group(index, attribute int) *group {
	rule := l.rule(index, attribute)
	table, theirs := catalog.TableName{Schema: rule.Schema, Name: rule.Table}, rule.Theirs()
	at := slices.IndexFunc(l.groups, func(g *group) bool { return g.table == table && slices.Equal(g.theirs, theirs) })
	if at < 0 {
		at = len(l.groups)
		l.groups = append(l.groups, &group{table: table, theirs: theirs, number: make(map[string]int)})
	}
	g := l.groups[at]
	if p := (place{index, attribute}); !slices.Contains(g.places, p) {
		g.places = append(g.places, p)
	}
	if !slices.Contains(g.columns, rule.Column) {
		g.columns = append(g.columns, rule.Column)
	}
	return g
}

func (l *lookups) rule(index, attribute int) *mapping.Lookup {
	return l.set.Definition(index).Attributes[attribute].Lookup
}

// read reads the rows of a group as of one moment.
func (l *lookups) read(ctx context.Context, r *Session, g *group) error {
	s, err := r.snapshot(ctx, &Snapshot{session: r, conn: r.conn, whole: true}, g.table, g.theirs, g.columns)
	if err != nil {
		return err
	}
	return errors.Join(l.readIn(ctx, s, g), s.End(ctx))
}

func (l *lookups) readIn(ctx context.Context, s *Snapshot, g *group) error {
	for _, xid := range l.xids {
		if !s.Seen.See(xid) {
			return ErrNotVisible
		}
	}
	for _, p := range g.places {
		column, err := l.set.FitLookup(p.mapping, p.attribute, &s.Table)
		if err != nil {
			return err
		}
		l.columns[p] = column
	}
	for _, name := range g.columns {
		g.at = append(g.at, s.Relation.Place(name))
	}
	g.rows = make([]answer, len(g.keys))
	var these []int
	for i, key := range g.keys {
		if s.takes(key.Values) { // of others there is no row
			these = append(these, i)
		}
	}
	sql := s.lookupQuery()
	for part := range slices.Chunk(these, lookupsAtOnce) {
		if err := s.readAll(ctx, sql, g.keys, part, g.keep); err != nil {
			return err
		}
	}
	return nil
}

// takes reports whether a row may have these values in the columns of the key.
func (s *Snapshot) takes(values []string) bool {
	for i := range s.key {
		if !s.key[i].takes(values[i]) {
			return false
		}
	}
	return true
}

// found is what was found for one value that a write of a mapping seeks; left says
// that it was not kept.
func (l *lookups) found(index int, sought mapping.Sought) (found mapping.Found, left bool) {
	found.Column = l.columns[place{index, sought.Attribute}]
	if sought.Values == nil {
		return found, false
	}
	g := l.group(index, sought.Attribute)
	answer := g.rows[g.number[strings.Join(sought.Values, "\x00")]]
	var broken *RowError
	switch {
	case answer.left:
		return found, true
	case errors.As(answer.err, &broken):
		found.Broken = "cannot be read by the server (SQLSTATE " + broken.State + "; its log says more)"
	case len(answer.rows) > 1:
		found.Several = true
	case len(answer.rows) == 1:
		column := slices.Index(g.columns, l.rule(index, sought.Attribute).Column)
		found.Value = answer.rows[0][g.at[column]]
	}
	return found, false
}
