package confirmed

import (
	"errors"
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

// The process may die before any page is written. What is not of the batch under
// way is as it was, and what is of it is old, new or unknown.
func TestRecordDiesBetweenPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	rng := rand.New(rand.NewPCG(3, 4))
	want := map[string]checkpoint.Confirmed{}
	died := errors.New("died")
	torn := 0
	for life := range 200 {
		r := open(t, path, "i", "b")
		check(t, r, want)
		left := rng.IntN(40)
		r.file.stop = func() error {
			if left--; left < 0 {
				return died
			}
			return nil
		}
		for err := error(nil); err == nil; {
			var batch []checkpoint.Confirmed
			for range 1 + rng.IntN(20) {
				key := fmt.Sprint(rng.IntN(3000) << 20)
				if !slices.ContainsFunc(batch, func(c checkpoint.Confirmed) bool { return c.Key == key }) {
					batch = append(batch, object(key, life, 5+rng.IntN(100)))
				}
			}
			if err = r.write(batch, nil); err == nil {
				for _, c := range batch {
					want[c.Key] = c
				}
				continue
			}
			if !errors.Is(err, died) {
				t.Fatal(err)
			}
			next := open(t, path, "i", "b")
			for i, got := range look(t, next, keysOf(batch)...) {
				key := batch[i].Key
				old, known := want[key]
				switch {
				case got == nil:
					delete(want, key)
				case reflect.DeepEqual(*got, batch[i]):
					want[key] = batch[i]
					torn++
				case !known || !reflect.DeepEqual(*got, old):
					t.Fatalf("life %d, %q: got %+v, was %+v, under way was %+v", life, key, got, old, batch[i])
				}
			}
		}
	}
	if torn == 0 {
		t.Error("nothing of a batch that was cut short was found")
	}
}

func keysOf(all []checkpoint.Confirmed) (keys []string) {
	for _, c := range all {
		keys = append(keys, c.Key)
	}
	return keys
}

// A page that is torn takes what it had, and nothing else; it is used again.
func TestTornPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	want := map[string]checkpoint.Confirmed{}
	r := open(t, path, "i", "b")
	for n := range 5000 {
		key := fmt.Sprint(n)
		want[key] = object(key, n, 20)
	}
	write(t, r, slices.Collect(maps.Values(want)))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		at := pageSize * (1 + rng.Int64N(int64(r.file.pages)-1))
		_, err := f.WriteAt([]byte("torn"), at+rng.Int64N(pageSize-4))
		must(t, err)
	}
	must(t, f.Close())
	for _, again := range []*Record{open(t, path, "i", "b"), r} {
		again.hot = hot{}
		lost := 0
		for i, got := range look(t, again, keysOf(slices.Collect(maps.Values(want)))...) {
			_ = i
			if got == nil {
				lost++
			} else if !reflect.DeepEqual(*got, want[got.Key]) {
				t.Fatalf("%q: got %+v", got.Key, got)
			}
		}
		if lost == 0 || lost > 50*40 {
			t.Errorf("%d of 5000 objects are lost", lost)
		}
	}
	r = open(t, path, "i", "b")
	write(t, r, slices.Collect(maps.Values(want)))
	check(t, r, want)
	check(t, open(t, path, "i", "b"), want)
}

// What cannot be written is not remembered wrongly: the record is gone.
func TestRecordThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	r := open(t, path, "i", "b")
	write(t, r, []checkpoint.Confirmed{object("k", 1, 3)})
	r.file.stop = func() error { return errors.New("no space left on device") }
	for range 2 {
		if err := r.Write([]checkpoint.Confirmed{object("k", 2, 3)}, nil); err == nil {
			t.Error("got no error")
		}
		if found, err := r.Look([]string{"k"}); err == nil || len(found) != 1 || found[0] != nil {
			t.Errorf("found %v, %v", found, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	if got := look(t, open(t, path, "i", "b"), "k")[0]; got != nil {
		t.Errorf("the next life finds %+v", got)
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
