package backfill_test

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

func TestCost(t *testing.T) {
	usual := marketo.Limits{CallsPer20s: 100, ConcurrentCalls: 10, CallsPerDay: 10000}
	for _, tt := range []struct {
		rows    int64
		objects int
		limits  marketo.Limits
		want    backfill.Cost
	}{
		{0, 100, usual, backfill.Cost{}},
		{1, 100, usual, backfill.Cost{Rows: 1, Calls: 1, Time: 400 * time.Millisecond, Day: 0.0001}},
		{300000, 300, usual, backfill.Cost{Rows: 300000, Calls: 1000, Time: 400 * time.Second, Day: 0.1}},
		{1000000, 100, usual, backfill.Cost{Rows: 1000000, Calls: 10000, Time: 48 * time.Hour, Day: 1}},
		{1000000, 100, marketo.Limits{}, backfill.Cost{Rows: 1000000, Calls: 10000}},
	} {
		if got := backfill.CostOf(tt.rows, tt.objects, tt.limits, 0.5); got != tt.want {
			t.Errorf("%d rows, %d a call: %+v, want %+v", tt.rows, tt.objects, got, tt.want)
		}
	}
}

func TestCursor(t *testing.T) {
	c := backfill.Cursor{Columns: []string{"a", "b"}, After: []string{"1", `x"y`}, Rows: 7}
	back, err := backfill.ParseCursor(c.String())
	if err != nil || back.String() != c.String() || !back.Fits(c.Columns) || back.Fits([]string{"a"}) || back.Fits([]string{"b", "a"}) {
		t.Errorf("%+v, %v", back, err)
	}
	if first, err := backfill.ParseCursor(""); err != nil || first.After != nil || !first.Fits([]string{"a"}) || first.String() == "" {
		t.Errorf("the beginning: %+v, %v", first, err)
	}
	if _, err := backfill.ParseCursor("{"); err == nil {
		t.Error("half a cursor is read")
	}
}
