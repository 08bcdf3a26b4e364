package audit

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// compare suspects what differs in a pile.
func (x *extraction) compare(pile map[string][]entry) error {
	for _, entries := range pile {
		var rows, objects []entry
		for _, e := range entries {
			switch {
			case e.want != anObject:
				rows = append(rows, e)
			default:
				// An object that was changed meanwhile may be in two files.
				objects = slices.DeleteFunc(objects, func(o entry) bool { return o.guid == e.guid })
				objects = append(objects, e)
			}
		}
		x.compareKey(rows, objects)
	}
	return nil
}

// compareKey compares what may be one object to Marketo.
func (x *extraction) compareKey(rows, objects []entry) {
	switch {
	case len(rows) == 0 && x.definition.OnDelete.Delete:
		x.suspectEntry(&objects[0], true)
	case len(rows) == 0:
		x.tally.Retained += len(objects)
	case len(rows) == 1:
		if x.differs(&rows[0], objects) {
			x.suspectEntry(&rows[0], false)
		}
	default:
		x.compareSpellings(rows, objects)
	}
}

// compareSpellings compares rows whose keys are one but for their spelling. It is
// not known whether Marketo tells them apart: where it does not, they share what is
// there.
func (x *extraction) compareSpellings(rows, objects []entry) {
	for i := range rows {
		same := func(e entry) bool {
			return strings.TrimRight(e.spelling, " ") == strings.TrimRight(rows[i].spelling, " ")
		}
		twice := slices.ContainsFunc(rows, func(e entry) bool {
			return &e != &rows[i] && e.want == oneObject && rows[i].want == oneObject && same(e) && !slices.Equal(e.columns, rows[i].columns)
		})
		own := slices.DeleteFunc(slices.Clone(objects), func(e entry) bool { return !same(e) })
		switch {
		case twice:
			x.tally.Shared++
		case x.differs(&rows[i], own):
			x.suspectEntry(&rows[i], false)
		}
	}
}

// differs reports whether objects are not what a row asks for.
func (x *extraction) differs(row *entry, objects []entry) bool {
	switch {
	case row.want == noObject:
		return len(objects) > 0
	case len(objects) == 0:
		return row.want == oneObject
	case len(objects) > 1:
		return true
	}
	for i, hash := range row.has {
		if hash != 0 && hash != objects[0].has[i] {
			return true
		}
	}
	return false
}

func (x *extraction) suspectEntry(e *entry, rowless bool) {
	s := suspect{columns: e.columns, rowless: rowless}
	texts := strings.Split(e.spelling, "\x00")
	for i, rule := range x.definition.Key {
		kind := marketo.String
		switch strings.ToLower(x.types[strings.ToLower(rule.Attribute)]) {
		case "integer", "float", "currency":
			kind = marketo.Number
		}
		s.values = append(s.values, marketo.Value{Kind: kind, Text: texts[i]})
		if rowless && rule.Column != "" {
			s.columns = append(s.columns, texts[i])
		}
	}
	x.suspect(s)
}
