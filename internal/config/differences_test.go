package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

func TestDifferences(t *testing.T) {
	a, b := Default(), Default()
	a.Source.URL, b.Source.URL = NewSecret("one"), NewSecret("one")
	a.Mappings = []mapping.Definition{{Name: "x"}, {Name: "y"}}
	b.Mappings = []mapping.Definition{{Name: "x"}, {Name: "y"}}
	if got := Differences(a, b); got != nil {
		t.Errorf("the same: %q", got)
	}
	b.Source.URL, b.Delivery.MaxWait, b.Delivery.MaxRetainedWAL = NewSecret("two"), time.Hour, 1
	b.Mappings = []mapping.Definition{{Name: "y", Where: "true"}, {Name: "z"}}
	want := []string{"source.url", "delivery.max_wait", "delivery.max_retained_wal", "mapping y is another one", "mapping z is new", "mapping x is gone"}
	if got := Differences(a, b); !sameSet(got, want) {
		t.Errorf("different: %q, want %q", got, want)
	}
}

func sameSet(a, b []string) bool {
	count := func(all []string) map[string]int {
		n := map[string]int{}
		for _, s := range all {
			n[s]++
		}
		return n
	}
	return reflect.DeepEqual(count(a), count(b))
}
