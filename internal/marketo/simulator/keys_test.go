package simulator_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// With keys: fold the spellings of a key are one object, over both APIs and in
// one call; otherwise each is its own.
func TestKeysThatFold(t *testing.T) {
	for _, c := range []struct {
		rule simulator.KeyRule
		want int
		both string
	}{{simulator.ExactKeys, 3, "created created"}, {"", 3, "created created"}, {simulator.FoldKeys, 1, "skipped:1036 skipped:1036"}} {
		in := start(t, simulator.Options{Dedupe: map[string][]string{"RoadShow": {"rid"}}, Keys: c.rule})
		in.restSync("createOrUpdate", `{"rid":"Änne@Example.com","city":"a"}`)
		in.soap("UPSERT", customObj("änne@example.com", "city", "b"))
		in.soap("UPSERT", customObj("ÄNNE@EXAMPLE.COM ", "city", "c"))
		if got := in.Count("RoadShow"); got != c.want {
			t.Errorf("keys %q: %d objects, want %d", c.rule, got, c.want)
		}
		if got := in.restSync("createOrUpdate", `{"rid":"x"}`, `{"rid":"X"}`).outcomes(); got != c.both {
			t.Errorf("keys %q: two spellings in one call: %s, want %s", c.rule, got, c.both)
		}
	}
}
