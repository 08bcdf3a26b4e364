package sqlite_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// Mappings that exchange their names take what is theirs along.
func TestMappingsExchangeNames(t *testing.T) {
	s, path := identified(t)
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	sv := checkpoint.Save{
		Parked: []checkpoint.Parked{
			{Key: "visit\x001\x00", Mapping: "a", Object: "Visit", Fields: "{}", Payload: "{}"},
			{Key: "order\x001\x00", Mapping: "b", Object: "Order", Fields: "{}", Payload: "{}"},
			{Key: "other\x001\x00", Mapping: "a", Object: "Other", Fields: "{}", Payload: "{}"},
		},
		Deletions: []checkpoint.Deletions{{Mapping: "a", Held: true}, {Mapping: "b"}},
	}
	if err := s.Save(t.Context(), sv); err != nil {
		t.Fatal(err)
	}
	news := checkpoint.MappingNews{
		Known:   []checkpoint.KnownMapping{{MappingID: visits, Name: "b", Rules: "{}", Since: at, Changed: at}},
		Changes: []checkpoint.MappingChange{{MappingID: visits, Mapping: "b", At: at, Text: "it is called b", Remedy: "nothing", Reload: true}},
		Renamed: []checkpoint.Renamed{{Object: "visit", From: "a", To: "b"}, {Object: "order", From: "b", To: "a"}},
	}
	if err := s.NoteMappings(t.Context(), news); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, path)
	state := load(t, s)
	got := map[string]string{}
	for _, p := range state.Parked {
		got[p.Object] = p.Mapping
	}
	if want := map[string]string{"Visit": "b", "Order": "a", "Other": "a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("parked objects are of %v, want %v", got, want)
	}
	if len(state.Deletions) != 2 || state.Deletions[0].Held || !state.Deletions[1].Held {
		t.Errorf("deletions are %+v, want those of a and b exchanged", state.Deletions)
	}
	if changes, err := s.MappingChanges(t.Context()); err != nil || !reflect.DeepEqual(changes, news.Changes) {
		t.Errorf("changes are %+v, %v", changes, err)
	}
	if !reflect.DeepEqual(state.Mappings, news.Known) {
		t.Errorf("known are %+v", state.Mappings)
	}
}
