package admin_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// BenchmarkPageOverTenThousandParkedObjects answers what the page asks for, out
// of the store that the daemon has.
func BenchmarkPageOverTenThousandParkedObjects(b *testing.B) {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	save := checkpoint.Save{}
	for i := range 10_000 {
		code := []string{"1003", "1004", "null_key"}[i%3]
		save.Parked = append(save.Parked, parked("roadshow", code, fmt.Sprintf("roadshow\x00%d", i), fmt.Sprintf(`{"MKTOID":"7","rid":%d}`, i), i%500))
	}
	if err := store.Save(b.Context(), save); err != nil {
		b.Fatal(err)
	}
	o := full().options()
	o.EachParked = store.EachParked
	for name, path := range map[string]string{
		"groups": "/api/v1/parked?limit=0&values=false",
		"page":   "/api/v1/parked?limit=50&values=false&mapping=roadshow&code=1003",
		"values": "/api/v1/parked?limit=50",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if code, _ := ask(b, o, "GET", path, ""); code != 200 {
					b.Fatalf("got %d", code)
				}
			}
		})
	}
}
