package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/audit"
)

// TestDoubledObjectsAreRemovedWithinTheBrake: whoever begins an audit again and again
// removes no more in an hour than deletions are allowed.
func TestDoubledObjectsAreRemovedWithinTheBrake(t *testing.T) {
	needServer(t)
	t.Parallel()
	w, p := brakedOrders(t, 2)
	for _, code := range []string{"o1", "o2", "o3", "o4", "o5"} {
		if !w.sim.Double("Order_c", code) {
			t.Fatal(code)
		}
	}
	arguments := []string{"--by", "query", "--repair", "--remove-extra"}
	for _, want := range []int{2, 0} {
		a, said, code := w.audit(arguments...)
		if len(a.Repaired) != 1 || a.Repaired[0].Deleted != want || code != 1 || !strings.Contains(said, "max_deletes") || !strings.Contains(said, "cdcsync release orders") {
			t.Errorf("deleted: %+v, want %d; exit code %d\n%s", a.Repaired, want, code, said)
		}
	}
	w.awaitState("deletes_held")
	w.succeeds("release", "orders")
	a, said, code := w.audit(arguments...)
	if code != 0 || len(a.found()[audit.Doubled]) != 3 || a.Repaired[0].Deleted != 3 {
		t.Errorf("released: exit code %d, %+v, %+v\n%s", code, a.Findings, a.Repaired, said)
	}
	if a, said, code := w.audit("--by", "query"); code != 0 {
		t.Errorf("in the end: exit code %d, %+v\n%s", code, a.Findings, said)
	}
	w.noViolations()
	p.stop(t)
}
