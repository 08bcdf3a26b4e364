package pipeline

import (
	"context"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// kept keeps what is saved as refused no more.
type kept []checkpoint.RefusedKey

func (k *kept) Save(_ context.Context, sv checkpoint.Save) error {
	*k = append(*k, sv.Unrefused...)
	return nil
}

// TestRefusedRowsThatAreNotHandedIn: rows that have gone, and that the stream has newer,
// are refused no more; those that are read again, or could not be read, stay.
func TestRefusedRowsThatAreNotHandedIn(t *testing.T) {
	set, err := mapping.Compile([]mapping.Definition{{Name: "visits", Schema: "public", Table: "visits", Object: "Visit", Key: []mapping.Rule{{Attribute: "rid", Column: "id"}}}})
	if err != nil {
		t.Fatal(err)
	}
	const integer = 23
	relation := &pgoutput.Relation{ID: 16385, Schema: "public", Name: "visits", Columns: []pgoutput.Column{{Name: "id", Type: integer, Modifier: -1, Key: true}}}
	if err := set.Bind(relation, nil); err != nil {
		t.Fatal(err)
	}
	var store kept
	l := &loading{backfiller: &backfiller{runner: &Runner{Mappings: set, Store: &store}}, job: &job{}, refused: map[string][]string{}}
	p := &part{columns: []string{"id"}}
	for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
		p.keys = append(p.keys, []string{id})
		w, _, err := set.Row(0, relation, relation.Bare(p.columns, []string{id}))
		if err != nil {
			t.Fatal(err)
		}
		if id != "6" { // it was never refused
			l.refused[w.Key] = []string{"backfill:1", "backfill:2"}
		}
		if id < "4" {
			p.writes = append(p.writes, w)
		}
	}
	// 1 is handed in, 2 is newer in the stream, 3 is read again, 4 has gone, 5 is unread.
	p.unread = map[int]bool{4: true}
	if err := l.gone(relation, p); err != nil {
		t.Fatal(err)
	}
	if err := l.forgetRefused(t.Context(), p, backfill.Verdict{Kept: []int{0}, Again: []int{2}}); err != nil {
		t.Fatal(err)
	}
	key := func(id string) string { return "visit\x00" + id + "\x00" }
	want := []checkpoint.RefusedKey{{Feed: "backfill:1", Key: key("4")}, {Feed: "backfill:2", Key: key("4")}, {Feed: "backfill:1", Key: key("2")}, {Feed: "backfill:2", Key: key("2")}}
	if !slices.Equal(store, want) {
		t.Errorf("refused no more: %q, want %q", store, want)
	}
}

// TestRetriableKey: a row without a key is not found by what stands for it.
func TestRetriableKey(t *testing.T) {
	d := mapping.Definition{Key: []mapping.Rule{{Attribute: "name", Column: "name"}, {Attribute: "kind", Constant: nil}, {Attribute: "nr", Column: "nr"}}}
	for key, want := range map[string]string{"stop\x00a\x00x\x007\x00": "a,7", "stop\x00a,b\x00x\x007\x00": `["a,b","7"]`, "stop\x00\x01ta\x00tx\x00t7\x00": "", "stop\x00a\x00": ""} {
		if got, ok := retriableKey(d, key); got != want || ok != (want != "") {
			t.Errorf("%q: got %q %t, want %q", key, got, ok, want)
		}
	}
}
