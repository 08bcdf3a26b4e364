package marketo

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Field finds a field by its name, without case; nil where there is none.
func (d *Description) Field(name string) *Field {
	for i := range d.Fields {
		if strings.EqualFold(d.Fields[i].Name, name) {
			return &d.Fields[i]
		}
	}
	return nil
}

// typeOf is the data type of a field; "" where it is not known.
func (d *Description) typeOf(name string) string {
	if f := d.Field(name); f != nil {
		return f.DataType
	}
	return ""
}

// Of returns what was found of a key, which several may have: keys are compared by
// the types of their fields. What has it in other case, or with other blanks at the
// end, is of the key where nothing has it exactly, and no other key of q is that:
// Marketo may take the two for one.
func (d *Description) Of(q *Query, found []Stored, key []Value) (all []Stored) {
	for _, s := range found {
		if d.has(q, &s, key, Same) {
			all = append(all, s)
		}
	}
	if all != nil {
		return all
	}
	for _, s := range found {
		if d.has(q, &s, key, spelledAs) && !slices.ContainsFunc(q.Keys, func(other []Value) bool { return d.has(q, &s, other, Same) }) {
			all = append(all, s)
		}
	}
	return all
}

func (d *Description) has(q *Query, s *Stored, key []Value, same func(ours, theirs Value, dataType string) bool) bool {
	for i, name := range q.Key {
		if !same(key[i], s.Values[i], d.typeOf(name)) {
			return false
		}
	}
	return true
}

func spelledAs(ours, theirs Value, dataType string) bool {
	return Same(ours, theirs, dataType) || strings.EqualFold(strings.TrimRight(ours.Text, " "), strings.TrimRight(theirs.Text, " "))
}

// Differ says of each value of an object whether Marketo has another one. s has the
// values of a Query with the object's names.
func (d *Description) Differ(o Object, s Stored) []bool {
	differs := make([]bool, o.Len())
	for at := range differs {
		differs[at] = !Same(o.Value(at), s.Values[at], d.typeOf(o.Shape.Name(at)))
	}
	return differs
}

// Same reports whether Marketo has what we would write to a field of a data type,
// "" where the type is not known. What stays as it is, as it is left out, is the
// same. Numbers are compared as numbers, moments at whole seconds, truths as
// truths, and everything else as text.
func Same(ours, theirs Value, dataType string) bool {
	switch {
	case ours.Kind == Omitted:
		return true
	case ours.Text == "" || theirs.Text == "":
		return strings.TrimSpace(ours.Text+theirs.Text) == ""
	case ours.Text == theirs.Text:
		return true
	}
	switch strings.ToLower(dataType) {
	case "integer", "float", "currency", "percent", "score":
		return sameNumber(ours.Text, theirs.Text)
	case "boolean":
		return sameTruth(ours.Text, theirs.Text)
	case "datetime", "date":
		return sameMoment(ours.Text, theirs.Text)
	case "":
		switch ours.Kind {
		case Number:
			return sameNumber(ours.Text, theirs.Text)
		case Boolean:
			return sameTruth(ours.Text, theirs.Text)
		}
		return sameMoment(ours.Text, theirs.Text)
	}
	return sameText(ours, theirs.Text)
}

// sameText compares what a field of text has. What surrounds it, ends of lines,
// zeros that end a fraction and the zone of a moment are not told apart: it is not
// known what Marketo makes of them.
func sameText(ours Value, theirs string) bool {
	a, b := plainText(ours.Text), plainText(theirs)
	switch {
	case a == b:
		return true
	case ours.Kind == Number:
		return sameNumber(a, b)
	case ours.Kind == Boolean:
		return sameTruth(a, b)
	}
	return strings.Contains(a, "T") && sameMoment(a, b)
}

func plainText(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n")
}

func sameNumber(a, b string) bool {
	if x, err := strconv.ParseInt(a, 10, 64); err == nil {
		if y, err := strconv.ParseInt(b, 10, 64); err == nil {
			return x == y
		}
	}
	x, err := strconv.ParseFloat(a, 64)
	y, failed := strconv.ParseFloat(b, 64)
	return err == nil && failed == nil && x == y
}

func sameTruth(a, b string) bool {
	x, err := strconv.ParseBool(strings.ToLower(a))
	y, failed := strconv.ParseBool(strings.ToLower(b))
	return err == nil && failed == nil && x == y
}

// moments are the forms of dates and times, those with a zone first: one without
// stands for UTC. Some of Marketo's calls write Z+0000.
var moments = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z-0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly}

func sameMoment(a, b string) bool {
	x, ok := Moment(a)
	y, too := Moment(b)
	return ok && too && x.Truncate(time.Second).Equal(y.Truncate(time.Second))
}

// Moment reads a date or time as Marketo, or a mapping, writes one.
func Moment(text string) (time.Time, bool) {
	for _, layout := range moments {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
