package checkpointtest

import (
	"reflect"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func testNew(t T, w World) {
	s := w.Open(t)
	for range 2 {
		same(t, "a new store", load(t, s), checkpoint.State{Clean: true, SameBoot: true})
		s = reopen(t, w, s)
	}
}

// elsewhere are fields of a Save that are not for a store.
var elsewhere = map[string]bool{"Confirmed": true, "Forgotten": true}

// whole is a Save that has something in every field.
func whole() checkpoint.Save {
	return checkpoint.Save{
		Checkpoint: home.LSN + 8,
		Latest:     &checkpoint.Commit{Final: home.LSN + 5, End: home.LSN + 8, XID: 4_000_000_000, At: moment.Truncate(time.Microsecond), Publication: "p"},
		Started:    []checkpoint.Call{{ID: 1, Keys: []string{odd, "", "b"}}, {ID: 2}, {ID: 3, Keys: []string{"gone"}}},
		Ended:      []uint64{3},
		Settled:    []checkpoint.Settled{{Key: "", Through: position(201, 1<<64-1)}, {Key: odd, Through: position(300, 1)}, {Key: "covered", Through: position(200, 9)}},
		SettledTo: &checkpoint.SettledTo{Through: position(200, 1<<63), Rules: []uint64{1<<64 - 1, 7},
			Except:  []checkpoint.Unsettled{{Key: odd, From: position(9, 1<<40)}, {Key: "x", From: position(1, 1)}},
			Stopped: []checkpoint.Stopped{{Object: "visit \"\u00fc\"", From: position(1<<62, 1<<63+9)}}},
		Parked: []checkpoint.Parked{
			{Mapping: "roadshow", Object: "RoadShow", Key: odd, Fields: `{"a":"` + "\x00" + `"}`, Payload: "{}", Operation: "UPSERT",
				At: position(4, 1<<63+5), XID: 1<<32 - 1, Committed: moment, Code: "1006", Message: "Field not found \x00 \u00fc",
				Waits: true, Next: moment.Add(time.Hour), Attempts: 3, First: moment, Last: moment.Add(time.Minute)},
			{Mapping: "visits", Object: "Visit", Key: "second", First: moment.Add(time.Second)},
		},
		Resolved:  []string{"resolved"},
		Lacking:   []string{odd + "x", "resolved", "second"},
		Quota:     &checkpoint.Quota{Day: "2026-03-01", Calls: 1234, Starts: []time.Time{moment, moment.Add(time.Second)}, Exhausted: true},
		Deletions: []checkpoint.Deletions{{Mapping: "visits", Held: true, Free: 1 << 40, Minutes: map[int64]int{29_000_000: 5, 29_000_001: 7}}},
		Cursors:   []checkpoint.Cursor{{Feed: "backfill:1", Value: `{"after":["` + "\u00fc" + `"]}`}},
		Refused: []checkpoint.Refused{{Feed: "backfill:1", Key: odd, Operation: "UPSERT", Code: "1004", Message: "Lead not found", Waits: true, At: moment, Next: moment.Add(time.Hour)},
			{Feed: "backfill:1", Key: "other"}},
		Unrefused: []checkpoint.RefusedKey{{Feed: "backfill:1", Key: "other"}},
		Follow:    &checkpoint.Following{Timeline: 4, Database: "shop2"},
		Accepted:  []checkpoint.Accepted{{At: moment, Span: "0/1..0/2", Code: checkpoint.PassedOver, Reason: "an odd\n\"change\""}},
		Sync:      true,
		Sent:      position(400, 1<<63+7),
		Lags:      []checkpoint.Lag{{Object: "roadshow", Sent: position(300, 1<<63+8)}, {Object: "visit \"\u00fc\""}},
	}
}

// wholeState is what is loaded after whole, and nothing else, was saved in the
// first life of a store.
func wholeState() checkpoint.State {
	sv, ck := whole(), home
	ck.LSN, ck.Timeline, ck.Database = sv.Checkpoint, sv.Follow.Timeline, sv.Follow.Database
	return checkpoint.State{
		Checkpoint: &ck, SameBoot: true, Latest: *sv.Latest,
		InFlight: []checkpoint.Call{{ID: 1<<40 | 1, Keys: sv.Started[0].Keys}, {ID: 1<<40 | 2}},
		Settled:  sv.Settled[:2], SettledTo: sv.SettledTo, Parked: sv.Parked, Deletions: sv.Deletions,
		Lacking: sv.Lacking[:2], Cursors: sv.Cursors, Refused: map[string]int{"backfill:1": 2}, Accepted: sv.Accepted,
		Quota: *sv.Quota, Sent: sv.Sent, Lags: sv.Lags,
	}
}

// testEveryField: what is saved is loaded, at once and in the next life.
func testEveryField(t T, w World) {
	sv := whole()
	fields := reflect.ValueOf(sv)
	for i := range fields.NumField() {
		if name := fields.Type().Field(i).Name; fields.Field(i).IsZero() && name != "Clean" && !elsewhere[name] {
			t.Errorf("Save.%s is not in the suite", name)
		}
	}
	s := identified(t, w)
	save(t, s, sv)
	want := wholeState()
	for range 2 {
		same(t, "loaded", load(t, s), want)
		got, err := s.Refused(t.Context(), checkpoint.RefusedFilter{Feed: "backfill:1"})
		must(t, err)
		same(t, "refused", got, sv.Refused)
		s = reopen(t, w, s)
	}
	must(t, s.SaveRelations(t.Context(), []checkpoint.Relation{{Schema: "s", Name: "t", OID: 1<<32 - 1, Seen: moment, Record: `{"a":1}`}}))
	must(t, s.SaveMappings(t.Context(), []checkpoint.KnownMapping{{MappingID: visits, Name: "v", Rules: "{}", Loaded: true, Since: moment, Changed: moment.Add(time.Hour)}}))
	state := reflect.ValueOf(load(t, reopen(t, w, s)))
	for i := range state.NumField() {
		name := state.Type().Field(i).Name
		if state.Field(i).IsZero() && name != "Clean" && name != "OlderMappings" {
			t.Errorf("State.%s is not in the suite", name)
		}
	}
}

// testLeftOut: a Save without a field leaves what that is about as it is.
func testLeftOut(t T, w World) {
	s := identified(t, w)
	save(t, s, whole())
	want := wholeState()
	for _, sv := range []checkpoint.Save{{}, {Sync: true}, {Checkpoint: home.LSN + 8}, {Sent: position(400, 3)}, {Settled: []checkpoint.Settled{{Key: "below", Through: position(7, 1)}}}} {
		save(t, s, sv)
		same(t, "after a save that changes nothing", load(t, s), want)
		s = reopen(t, w, s)
	}
	// What the caller does with its memory afterwards is nothing to the store.
	sv := whole()
	sv.Follow, sv.Checkpoint, sv.Started, sv.Accepted, sv.Latest = nil, 0, nil, nil, nil
	save(t, s, sv)
	sv.Parked[0].Key, sv.Settled[0].Key, sv.Settled[1].Key, sv.Cursors[0].Value, sv.Refused[0].Key = "?", "?", "?", "?", "?"
	sv.Lags[0].Object, sv.SettledTo.Stopped[0].Object = "?", "?"
	sv.SettledTo.Except[0].Key, sv.SettledTo.Rules[0], sv.Quota.Starts[0], sv.Deletions[0].Minutes[29_000_000] = "?", 0, time.Time{}, 0
	same(t, "after the memory of a save was used again", load(t, s), want)
}
