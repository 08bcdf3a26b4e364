package snapshot_test

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/snapshot"
)

func TestRecordKeepsSixHours(t *testing.T) {
	var record snapshot.Record
	if got := record.After(time.Time{}); len(got.At) != 0 || got.Every != 10 {
		t.Errorf("empty: got %+v", got)
	}
	const points = 2161
	for i := range points {
		r := report()
		r.Pending = i
		record.Add(snapshot.Of(r, settings, noon.Add(time.Duration(i)*snapshot.HistoryEvery)))
	}
	all := record.After(time.Time{})
	if len(all.At) != points-1 || all.Pending[0] != 1 || all.Pending[len(all.Pending)-1] != points-1 {
		t.Errorf("got %d points, of %v to %v pending; want all but the first", len(all.At), all.Pending[0], all.Pending[len(all.Pending)-1])
	}
	if all.Rows[0] != 2000 || all.Objects["CREATED"][0] != 1390 || len(all.Objects[snapshot.Unsent]) != len(all.At) || *all.Behind[0] != 100 {
		t.Errorf("got rows %d, created %d, unsent %d, behind %v", all.Rows[0], all.Objects["CREATED"][0], len(all.Objects[snapshot.Unsent]), *all.Behind[0])
	}
	last := time.Unix(all.At[len(all.At)-3], 0)
	if got := record.After(last); len(got.At) != 2 || got.Pending[1] != points-1 {
		t.Errorf("after a time: got %d points, want the last two", len(got.At))
	}
}
