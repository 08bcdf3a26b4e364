package admin_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// A page over 10,000 parked objects, out of the store that the daemon has.
func TestPageOverTenThousandParkedObjects(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	save := checkpoint.Save{}
	for i := range 10_000 {
		code := []string{"1003", "1004", "null_key"}[i%3]
		save.Parked = append(save.Parked, parked("roadshow", code, fmt.Sprintf("roadshow\x00%d", i), fmt.Sprintf(`{"MKTOID":"7","rid":%d}`, i), i%500))
	}
	if err := store.Save(t.Context(), save); err != nil {
		t.Fatal(err)
	}
	o := full().options()
	o.EachParked = store.EachParked
	for _, path := range []string{"/api/v1/parked?limit=0&values=false", "/api/v1/parked?limit=50&values=false&mapping=roadshow&code=1003", "/api/v1/parked?limit=50"} {
		var took []time.Duration
		for range 9 {
			began := time.Now()
			code, body := ask(t, o, "GET", path, "")
			took = append(took, time.Since(began))
			var answer admin.Parked
			if err := json.Unmarshal([]byte(body), &answer); err != nil || code != 200 || answer.Total < 3333 {
				t.Fatalf("%s: got %d, %d objects, %v", path, code, answer.Total, err)
			}
		}
		slices.Sort(took)
		t.Logf("%s: %s at best, %s in the middle", path, took[0], took[4])
		if took[0] > 50*time.Millisecond {
			t.Errorf("%s took %s at best, want 50ms", path, took[0])
		}
	}
}
