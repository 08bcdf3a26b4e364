package marketo_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

func TestObjectHoldsItsValues(t *testing.T) {
	for _, values := range [][]marketo.Value{
		{num("1"), str("rid"), str("San José"), null, omitted, flip("true")},
		{num("-1e3"), str(""), null, str(strings.Repeat("x", 1<<20)), str("\x00"), omitted},
		make([]marketo.Value, 6),
	} {
		o := marketo.NewObject(roadShow, values)
		if got := o.Values(); !slices.Equal(got, values) {
			t.Errorf("got %.200v, want %.200v", got, values)
		}
		for i, v := range values {
			if o.Value(i) != v || o.Kind(i) != v.Kind {
				t.Errorf("value %d: got %v, %.200v", i, o.Kind(i), o.Value(i))
			}
		}
	}
	short := marketo.NewObject(roadShow, []marketo.Value{num("1")})
	if got := short.Value(5); short.Len() != 6 || got != omitted {
		t.Errorf("%d values, the last %v, want 6 and none", short.Len(), got)
	}
	if none := (marketo.Object{}); none.Len() != 0 || len(none.Values()) != 0 {
		t.Errorf("an object without a shape has %d values", none.Len())
	}
}

// A record is used again for the next object, which has nothing of the last.
func TestRecordIsUsedAgain(t *testing.T) {
	r := marketo.Record(nil).Begin(6)
	for i := range 6 {
		r = r.Add(i, str("first"))
	}
	first := r.Object(roadShow)
	r = r.Begin(6).Add(2, str("second"))
	r.Set(3, marketo.String, len(r)-len("cond"), len(r), true)
	second := r.Object(roadShow)
	if got, want := first.Values(), slices.Repeat([]marketo.Value{str("first")}, 6); !slices.Equal(got, want) {
		t.Errorf("first: got %v, want %v", got, want)
	}
	if got, want := second.Values(), []marketo.Value{omitted, omitted, str("second"), str("cond"), omitted, omitted}; !slices.Equal(got, want) {
		t.Errorf("second: got %v, want %v", got, want)
	}
}
