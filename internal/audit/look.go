package audit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// look compares the rows of one mapping.
type look struct {
	audit      *Audit
	plan       *Plan
	index      int
	definition mapping.Definition
	types      map[string]string
	table      *table
	tally      Tally
	findings   []Finding
	suspects   []suspect
	// unasked are the keys that Marketo cannot be asked for, by keyOf.
	unasked map[string]bool
}

// suspect is a key that may differ, by the first look.
type suspect struct {
	// columns are the values of the key columns, values those of the dedupe
	// fields.
	columns []string
	values  []marketo.Value
	// rowless is set where the first look knew of no row.
	rowless bool
}

// mostSuspects bounds what is remembered of a first look: where more differ,
// something else is wrong than some objects.
const mostSuspects = 20_000

func (l *look) run(ctx context.Context) (err error) {
	if l.table, err = l.audit.open(ctx, l.index); err != nil {
		return err
	}
	defer l.table.close(ctx)
	switch l.plan.Method {
	case ByExtract:
		err = l.byExtract(ctx)
	case BySample:
		err = l.bySample(ctx)
	default:
		err = l.byQuery(ctx)
	}
	if err != nil {
		return err
	}
	l.sought()
	return l.again(ctx)
}

// sought notes whether objects without any row were looked for.
func (l *look) sought() {
	switch {
	case l.tally.Method == ByExtract, !l.definition.OnDelete.Delete:
		l.tally.Extra = new(int)
	case l.plan.Method == ByExtract:
		l.tally.ExtraUnknown = "only an extract shows them, and marketo refused one"
	case l.plan.windows == nil:
		l.tally.ExtraUnknown = "only an extract shows them, and none can be had: " + l.plan.Why
	default:
		l.tally.ExtraUnknown = "only an extract shows them (--by extract)"
	}
}

// suspect remembers one for the second look.
func (l *look) suspect(s suspect) {
	if len(l.suspects) == mostSuspects {
		l.unjudged(1, "so many differ that something else is wrong: another instance or type, or rows that were never sent")
		return
	}
	l.suspects = append(l.suspects, s)
}

func (l *look) unjudged(n int, why string) {
	l.tally.Unjudged += n
	l.tally.Why = why
}

// expects returns what a row asks of its object: it as it should be, or that there
// is none. ok is false where it asks nothing.
func (l *look) expects(r *row) (object marketo.Object, none, ok bool) {
	if r.Problem != nil && r.matches {
		return object, false, false
	}
	if r.matches {
		return r.Object, false, true
	}
	gone, acts := l.audit.Set.Gone(r.Write)
	return gone.Object, acts && gone.Operation == marketo.Delete, acts
}

// judge says how what Marketo has of a row's key differs from what the row asks.
func (l *look) judge(r *row, has []marketo.Stored) (kind Kind, attributes, surplus []string) {
	want, none, ok := l.expects(r)
	switch {
	case !ok:
		return "", nil, nil
	case none && len(has) > 0:
		return Extra, nil, nil
	case none, len(has) == 0 && !r.matches:
		return "", nil, nil
	case len(has) == 0 && l.definition.Operation == marketo.Update:
		return "", nil, nil // an update alone does not create what is missing
	case len(has) == 0:
		return Missing, nil, nil
	case len(has) > 1 && r.matches:
		return Doubled, nil, surplusOf(has)
	case l.definition.Operation == marketo.Insert && r.matches:
		return "", nil, nil // the object is that of the row when it was new
	case !sameTexts(want, has[0]):
		return "", nil, nil // it may be that of a row with another spelling
	}
	if attributes = l.differ(want, &has[0]); attributes != nil {
		return Different, attributes, nil
	}
	return "", nil, nil
}

// differ returns the attributes of an object that Marketo does not have so.
func (l *look) differ(want marketo.Object, has *marketo.Stored) (attributes []string) {
	for i := len(want.Shape.Key); i < want.Len(); i++ {
		name := want.Shape.Name(i)
		if !marketo.Same(want.Value(i), has.Values[i], l.types[strings.ToLower(name)]) {
			attributes = append(attributes, name)
		}
	}
	slices.Sort(attributes)
	return attributes
}

// surplusOf returns the ids of objects that have one key, but for the one that was
// written last: it is the one that an upsert finds.
func surplusOf(has []marketo.Stored) (ids []string) {
	last := slices.MaxFunc(has, func(a, b marketo.Stored) int {
		if a.Updated != b.Updated {
			return strings.Compare(a.Updated, b.Updated)
		}
		return -strings.Compare(a.GUID, b.GUID)
	})
	for _, s := range has {
		if s.GUID != "" && s.GUID != last.GUID {
			ids = append(ids, s.GUID)
		}
	}
	return ids
}

// sameTexts reports whether an object has its key as it is written, without blanks
// at the end.
func sameTexts(o marketo.Object, s marketo.Stored) bool {
	for i := range o.Shape.Key {
		if o.Value(i).Kind == marketo.String && mapping.Fold(o.Value(i).Text) == mapping.Fold(s.Values[i].Text) &&
			strings.TrimRight(o.Value(i).Text, " ") != strings.TrimRight(s.Values[i].Text, " ") {
			return false
		}
	}
	return true
}

// keyOf names what may be one object to Marketo.
func (l *look) keyOf(values []marketo.Value) string {
	var b strings.Builder
	for i := range l.shape().Key {
		b.WriteString(mapping.Fold(canonical(values[i].Text, l.types[strings.ToLower(l.shape().Key[i])])))
		b.WriteByte(0)
	}
	return b.String()
}

func (l *look) shape() *marketo.Shape { return l.audit.Set.Shape(l.index) }

func keyValues(o *marketo.Object) []marketo.Value {
	values := make([]marketo.Value, len(o.Shape.Key))
	for i := range values {
		values[i] = o.Value(i)
	}
	return values
}

// ask asks Marketo for objects, and returns them by keyOf.
func (l *look) ask(ctx context.Context, keys [][]marketo.Value) (map[string][]marketo.Stored, error) {
	found := make(map[string][]marketo.Stored, len(keys))
	for some := range slices.Chunk(keys, l.audit.keysAtOnce()) {
		if err := l.askSome(ctx, some, found); err != nil {
			return found, err
		}
	}
	return found, nil
}

func (l *look) askSome(ctx context.Context, keys [][]marketo.Value, found map[string][]marketo.Stored) error {
	shape := l.shape()
	all, err := patient(ctx, func() ([]marketo.Stored, error) {
		return l.audit.Marketo.Query(ctx, marketo.Query{Type: shape.Type, Key: shape.Key, Fields: shape.Attributes, Keys: keys})
	})
	if tooLarge(err) && len(keys) > 1 {
		half := len(keys) / 2
		if err := l.askSome(ctx, keys[:half], found); err != nil {
			return err
		}
		return l.askSome(ctx, keys[half:], found)
	}
	for _, s := range all {
		key := l.keyOf(s.Values)
		found[key] = append(found[key], s)
	}
	if errors.Is(err, marketo.ErrUnaskable) {
		for _, key := range keys {
			if !marketo.Listable(key[0].Text) {
				l.unasked[l.keyOf(key)] = true
			}
		}
		err = nil
	}
	return err
}
