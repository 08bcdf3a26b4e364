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

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

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
