package delivery

import (
	"errors"
	"strings"
	"testing"
)

// Looks that fail do not take back what was found, and are a reason themselves
// when they go on.
func TestLooksThatFail(t *testing.T) {
	w := &watch{}
	found := []Obstacle{{Condition: Unfit, Reason: "a table is out"}}
	for i := 1; i < 10; i++ {
		found = w.unseen(found, errors.New("lock timeout"))
		want := 1
		if i >= blindAfter {
			want = 2
		}
		if len(found) != want || found[0].Reason != "a table is out" {
			t.Fatalf("after %d looks: %+v", i, found)
		}
	}
	if o := found[1]; o.Condition != Unfit || !strings.Contains(o.Reason, "lock timeout") || o.Remedy == "" {
		t.Errorf("got %+v", o)
	}
}
