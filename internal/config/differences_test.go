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
	column := func(attribute, column string) mapping.Rule { return mapping.Rule{Attribute: attribute, Column: column} }
	y := mapping.Definition{Name: "y", Schema: "public", Table: "y", Attributes: []mapping.Rule{column("same", "same"), column("city", "town"), column("old", "old")}}
	a.Mappings = []mapping.Definition{{Name: "x"}, y}
	b.Mappings = []mapping.Definition{{Name: "x"}, y}
	if got := Differences(a, b); got != nil {
		t.Errorf("the same: %q", got)
	}
	b.Source.URL, b.Delivery.MaxWait, b.Delivery.MaxRetainedWAL = NewSecret("two"), time.Hour, 1
	other := mapping.Definition{Name: "y", Schema: "crm", Table: "ys", Where: "true", Separate: true, Attributes: []mapping.Rule{column("same", "same"), column("city", "city"), column("sum", "total")}}
	b.Mappings = []mapping.Definition{other, {Name: "z"}}
	want := []string{"source.url", "delivery.max_wait", "delivery.max_retained_wal", "mapping y has changed: table, attributes.city, attributes.sum, attributes.old, where, coalesce", "mapping z is new", "mapping x is gone"}
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
