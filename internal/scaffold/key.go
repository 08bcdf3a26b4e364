package scaffold

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// candidate is a set of columns that may be the key.
type candidate struct {
	columns []string
	what    string
}

// chooseKey fills in the key and returns its columns: those of the dedupe fields
// where Marketo was asked and the names tell, else the primary key, else a
// unique index whose columns the stream sends of an old row. Where none will
// do, the best is proposed with what stands against it.
func (p *Proposal) chooseKey(t *catalog.Table, d *marketo.Description, refused map[string]string) []string {
	candidates := keyCandidates(t)
	if d != nil && !d.Learnt {
		if columns := p.dedupeColumns(t, d, candidates); columns != nil {
			return columns
		}
	}
	if len(candidates) == 0 && len(p.Obstacles) == 0 {
		p.obstruct("it has neither a primary key nor a unique index, so that nothing tells its rows apart; give it a primary key")
	}
	if len(candidates) == 0 {
		return nil
	}
	best := slices.IndexFunc(candidates, func(c candidate) bool { return p.fits(t, c, refused) == "" })
	if best < 0 {
		best = 0
		p.obstruct(p.fits(t, candidates[0], refused))
	}
	chosen := candidates[best]
	for _, column := range chosen.columns[:min(len(chosen.columns), mostKeys)] {
		p.Key = append(p.Key, Line{Attribute: fieldName(column, p.taken()), Column: column, Note: t.Column(column).Formatted + "; " + chosen.what})
	}
	return chosen.columns
}

func (p *Proposal) obstruct(why string) {
	if !slices.Contains(p.Obstacles, why) {
		p.Obstacles = append(p.Obstacles, why)
	}
}

// keyCandidates lists the primary key and the unique indexes, narrow ones first.
func keyCandidates(t *catalog.Table) []candidate {
	var all []candidate
	if len(t.PrimaryKey) > 0 {
		all = append(all, candidate{t.PrimaryKey, "the primary key"})
	}
	indexes := slices.Clone(t.Unique)
	slices.SortStableFunc(indexes, func(a, b []string) int { return len(a) - len(b) })
	for _, columns := range indexes {
		if len(columns) > 0 && !slices.Equal(columns, t.PrimaryKey) {
			all = append(all, candidate{columns, "a unique index"})
		}
	}
	return all
}

// fits says what stands against a candidate, "" for nothing.
func (p *Proposal) fits(t *catalog.Table, c candidate, refused map[string]string) string {
	if len(c.columns) > mostKeys {
		return fmt.Sprintf("%s has %d columns (%s), and Marketo allows %d dedupe fields; give the table a shorter key, such as an identity column that is its primary key",
			c.what, len(c.columns), list(c.columns), mostKeys)
	}
	for _, column := range c.columns {
		if refused[column] != "" {
			return refused[column]
		}
		if why := unfitKey(t, column); why != "" {
			return why
		}
		if t.Column(column).Generated != "" {
			return fmt.Sprintf("%s has the column %s, which PostgreSQL computes and leaves out of the stream", c.what, column)
		}
		if !slices.Contains(t.IdentityColumns, column) {
			return fmt.Sprintf("%s (%s) is not what PostgreSQL sends of a row that was deleted or got another key (its replica identity); give the table a primary key, or set its REPLICA IDENTITY to that index",
				c.what, list(c.columns))
		}
	}
	return ""
}

// dedupeColumns finds the columns of the dedupe fields, by their names, or as
// the only candidate with as many columns; nil when there are none.
func (p *Proposal) dedupeColumns(t *catalog.Table, d *marketo.Description, candidates []candidate) []string {
	var columns []string
	for _, field := range d.DedupeFields {
		if c := columnLike(t, field); c != nil {
			columns = append(columns, c.Name)
		}
	}
	note := "a dedupe field of " + d.Name
	if len(columns) != len(d.DedupeFields) {
		at := slices.IndexFunc(candidates, func(c candidate) bool { return len(c.columns) == len(d.DedupeFields) })
		if at < 0 {
			p.obstruct(fmt.Sprintf("the dedupe fields of %s are %s, and no key of the table has as many columns of such names; name the columns that hold them", d.Name, list(d.DedupeFields)))
			return nil
		}
		columns = candidates[at].columns
		note = candidates[at].what + ", taken for a dedupe field of " + d.Name + " although the names differ: please check"
	}
	for i, field := range d.DedupeFields {
		p.Key = append(p.Key, Line{Attribute: field, Column: columns[i], Note: t.Column(columns[i]).Formatted + "; " + note})
	}
	return columns
}

// columnLike finds the column that a field is named after.
func columnLike(t *catalog.Table, field string) *catalog.TableColumn {
	for i := range t.Columns {
		if folded(t.Columns[i].Name) == folded(field) {
			return &t.Columns[i]
		}
	}
	return nil
}
