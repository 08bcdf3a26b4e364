package confirmed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

func open(t testing.TB, path, identity, boot string) *Record {
	t.Helper()
	r, err := Open(path, identity, boot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.file.f.Close() })
	return r
}

func write(t testing.TB, r *Record, all []checkpoint.Confirmed, forgotten ...string) {
	t.Helper()
	if err := r.Write(all, forgotten); err != nil {
		t.Fatal(err)
	}
}

func look(t testing.TB, r *Record, keys ...string) []*checkpoint.Confirmed {
	t.Helper()
	found, err := r.Look(keys)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var moment = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func object(key string, n int, digests int) checkpoint.Confirmed {
	c := checkpoint.Confirmed{Key: key, Shape: uint64(n) + 1<<63, Status: "updated", At: pgoutput.Position{Commit: pgoutput.LSN(n), Seq: 1<<64 - 1}, Time: moment, Call: uint64(n), Digests: []uint64{}}
	for i := range digests {
		c.Digests = append(c.Digests, uint64(n+i)<<32)
	}
	return c
}

// check holds the record against what was written last of each key.
func check(t *testing.T, r *Record, want map[string]checkpoint.Confirmed, other ...string) {
	t.Helper()
	keys := append(slices.Sorted(maps.Keys(want)), other...)
	for i, got := range look(t, r, keys...) {
		c, ok := want[keys[i]]
		switch {
		case !ok && got != nil:
			t.Fatalf("%q: got %+v of an object that is not known", keys[i], got)
		case ok && (got == nil || !reflect.DeepEqual(*got, c)):
			t.Fatalf("%q: got %+v, want %+v", keys[i], got, c)
		}
	}
}

// What was written last of a key is found, or nothing, over lives of every end.
func TestRecordAgainstAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "boot 0")
	want := map[string]checkpoint.Confirmed{}
	boot := 0
	for step := range 400 {
		batch := map[string]checkpoint.Confirmed{}
		for range rng.IntN(300) {
			key := fmt.Sprintf("visit\x00%d\x00", rng.IntN(20_000))
			batch[key] = object(key, step, rng.IntN(30))
		}
		var forgotten []string
		for key := range want {
			if _, ok := batch[key]; !ok && rng.IntN(400) == 0 {
				forgotten = append(forgotten, key)
				delete(want, key)
			}
		}
		all := slices.Collect(maps.Values(batch))
		if len(all) > 0 {
			forgotten = append(forgotten, all[0].Key) // in both: remembered
		}
		write(t, r, all, append(forgotten, "never known")...)
		maps.Copy(want, batch)
		switch rng.IntN(30) {
		case 0: // killed
			r = open(t, path, "i", fmt.Sprint("boot ", boot))
			check(t, r, want, "none")
		case 1: // ended in order, and booted anew
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			boot++
			r = open(t, path, "i", fmt.Sprint("boot ", boot))
			check(t, r, want, "none")
		}
		if got := r.Len(); got != int64(len(want)) {
			t.Fatalf("step %d: %d objects, want %d", step, got, len(want))
		}
	}
	check(t, r, want, "none", "never known")
	if r.file.pages < 200 || len(r.file.index.nodes) == 0 {
		t.Errorf("%d pages and %d nodes: pages were not split", r.file.pages, len(r.file.index.nodes))
	}
}

// What is not known to be what Marketo has is not believed.
func TestRecordIsEmptied(t *testing.T) {
	some := object("k", 1, 3)
	for _, tt := range []struct {
		name           string
		clean          bool
		identity, boot string
		hurt           func(t *testing.T, path string)
		kept           bool
	}{
		{"killed", false, "i", "b", nil, true},
		{"killed, and power was lost", false, "i", "c", nil, false},
		{"killed where boots are not told apart", false, "i", "", nil, false},
		{"ended, and booted anew", true, "i", "c", nil, true},
		{"of another endpoint", true, "other", "b", nil, false},
		{"of another endpoint, killed", false, "other", "b", nil, false},
		{"cut to nothing", true, "i", "b", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, false},
		{"without its index", true, "i", "b", func(t *testing.T, path string) { must(t, os.Truncate(path, 2*pageSize)) }, false},
		{"of another program", true, "i", "b", func(t *testing.T, path string) { must(t, os.WriteFile(path, make([]byte, 9000), 0o600)) }, false},
		{"removed", true, "i", "b", func(t *testing.T, path string) { must(t, os.Remove(path)) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "record")
			r := open(t, path, "i", "b")
			write(t, r, []checkpoint.Confirmed{some})
			digest := r.Digest(1, marketo.Value{Kind: marketo.String, Text: "x"})
			if tt.clean {
				must(t, r.Close())
			}
			if tt.hurt != nil {
				tt.hurt(t, path)
			}
			r = open(t, path, tt.identity, tt.boot)
			if got := look(t, r, "k")[0]; (got != nil) != tt.kept {
				t.Errorf("got %+v, want it kept: %v", got, tt.kept)
			}
			if same := digest == r.Digest(1, marketo.Value{Kind: marketo.String, Text: "x"}); same != tt.kept {
				t.Errorf("digests are the same: %v, want %v", same, tt.kept)
			}
			write(t, r, []checkpoint.Confirmed{some})
			if look(t, r, "k")[0] == nil {
				t.Error("nothing is remembered anew")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A store that was restored from an older copy is found out, and one that lacks
// nothing but the save under way is not.
func TestRecordAheadOfItsStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "b")
	if r.Ahead(0) {
		t.Error("a new record is ahead of a new store")
	}
	for n := range uint64(20) {
		r.Saving(n + 1)
		write(t, r, []checkpoint.Confirmed{object("k", int(n), 3)})
	}
	for range 2 {
		for saves, want := range map[uint64]bool{18: true, 0: true, 19: false, 20: false, 300: false} {
			if r.Ahead(saves) != want {
				t.Errorf("ahead of %d saves: %v", saves, !want)
			}
		}
		r = open(t, path, "i", "b") // killed
	}
	must(t, r.Empty("i"))
	if r.Ahead(0) {
		t.Error("what was emptied is ahead")
	}
}

// A life that writes takes back that the one before ended in order.
func TestRecordIsNotCleanWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "b")
	write(t, r, []checkpoint.Confirmed{object("k", 1, 3)})
	must(t, r.Close())
	r = open(t, path, "i", "b")
	write(t, r, []checkpoint.Confirmed{object("k", 2, 3)})
	if got := look(t, open(t, path, "i", "c"), "k")[0]; got != nil {
		t.Errorf("after a loss of power: %+v", got)
	}
}

func TestRecordIsEmptiedOnRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "b")
	write(t, r, []checkpoint.Confirmed{object("k", 1, 3), object("huge", 1, 600)})
	if found := look(t, r, "huge", "k"); found[0] != nil || found[1] == nil {
		t.Errorf("found %v", found)
	}
	must(t, r.Empty("j"))
	if look(t, r, "k")[0] != nil || r.Len() != 0 {
		t.Error("it is not empty")
	}
	write(t, r, []checkpoint.Confirmed{object("k", 2, 3)})
	if got := look(t, open(t, path, "j", "b"), "k")[0]; got == nil || got.Call != 2 {
		t.Errorf("got %+v", got)
	}
	info, err := os.Stat(path)
	if must(t, err); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// Values, kinds and places of attributes have digests of their own; none is 0.
func TestDigests(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "record"), "i", "b")
	seen := map[uint64]string{}
	for i := range 3 {
		for _, v := range []marketo.Value{{Kind: marketo.Null}, {Kind: marketo.String}, {Kind: marketo.String, Text: "1"}, {Kind: marketo.Number, Text: "1"}, {Kind: marketo.Boolean, Text: "true"}} {
			d, name := r.Digest(i, v), fmt.Sprint(i, v)
			if other, ok := seen[d]; ok || d == 0 || d != r.Digest(i, v) {
				t.Errorf("%s has digest %x, as %s", name, d, other)
			}
			seen[d] = name
		}
	}
}
