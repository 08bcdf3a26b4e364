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

// lookupsAtOnce is the most keys that are looked up in one query.
const lookupsAtOnce = 1000

// LookUp completes writes with what they take from other tables: all that has to
// be found in one table is read together, each key once. It is the way of every
// write, of whatever feed: one that is not completed must not be delivered. The
// transactions xids are visible to what is read, which may be newer than they
// are; ErrNotVisible says that one is not visible yet. After an error the writes
// are as they were.
func (r *Session) LookUp(ctx context.Context, set *mapping.Set, writes []*mapping.Write, xids []uint32) error {
	l := lookups{set: set, xids: xids, columns: make(map[place]*mapping.LookupColumn)}
	for _, w := range writes {
		for _, sought := range w.Sought {
			l.add(w.Mapping, sought)
		}
	}
	for _, g := range l.groups {
		if err := l.read(ctx, r, g); err != nil {
			return fmt.Errorf("look up values in %s.%s: %w", g.table.Schema, g.table.Name, withRemedy(err))
		}
	}
	for _, w := range writes {
		if w.Sought == nil {
			continue
		}
		found := make([]mapping.Found, len(w.Sought))
		for i, sought := range w.Sought {
			found[i] = l.found(w.Mapping, sought)
		}
		set.Supply(w, found)
	}
	return nil
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
	// at is where each of columns is in a row.
	at   []int
	rows []answer
}

// answer is what was found for a key.
type answer struct {
	rows [][]pgoutput.Value
	err  error
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
		g.at = append(g.at, slices.IndexFunc(s.Relation.Columns, func(c pgoutput.Column) bool { return c.Name == name }))
	}
	g.rows = make([]answer, len(g.keys))
	these := make([]int, len(g.keys))
	for i := range these {
		these[i] = i
	}
	sql := s.lookupQuery()
	for part := range slices.Chunk(these, lookupsAtOnce) {
		if err := s.readAll(ctx, sql, g.keys, part, func(i int, rows [][]pgoutput.Value, err error) {
			g.rows[i] = answer{rows, err}
		}); err != nil {
			return err
		}
	}
	return nil
}

// found is what was found for one value that a write of a mapping seeks.
func (l *lookups) found(index int, sought mapping.Sought) mapping.Found {
	found := mapping.Found{Column: l.columns[place{index, sought.Attribute}]}
	if sought.Values == nil {
		return found
	}
	g := l.group(index, sought.Attribute)
	answer := g.rows[g.number[strings.Join(sought.Values, "\x00")]]
	var broken *RowError
	switch {
	case errors.As(answer.err, &broken):
		found.Broken = "cannot be read by the server (SQLSTATE " + broken.State + "; its log says more)"
	case len(answer.rows) > 1:
		found.Several = true
	case len(answer.rows) == 1:
		column := slices.Index(g.columns, l.rule(index, sought.Attribute).Column)
		found.Value = answer.rows[0][g.at[column]]
	}
	return found
}
