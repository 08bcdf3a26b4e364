package acceptance_test

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestLargeValueLeftAlone updates rows without their large value. Where the
// object has the value, nothing happens to it. Where it never got there, the
// update must bring it.
func TestLargeValueLeftAlone(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 0, simulator.Options{})
		w.exec(`ALTER TABLE items ALTER pad SET STORAGE EXTERNAL`)
		// These are older than the slot, and no object is there.
		w.exec(`INSERT INTO items SELECT i, 0, $1::text FROM generate_series(4, 103) i`, large())
		p := w.start()
		refuse := func(id int) simulator.Rule {
			return simulator.Rule{Objects: &simulator.ObjectFault{Key: fmt.Sprint(id), Message: "Value not allowed"}}
		}
		if err := w.sim.Fail(refuse(2), refuse(3)); err != nil {
			t.Fatal(err)
		}
		w.exec(`INSERT INTO items SELECT i, 1, $1::text FROM generate_series(1, 3) i`, large())
		w.settle(p)
		w.awaitParked(2)
		w.discardOne("id=3")
		w.sim.Heal()
		w.exec(`UPDATE items SET version = 2`)
		w.settle(p)
		w.awaitParked(0)
		w.itemsAgree()
		p.stop(t)
	})
}
