package acceptance_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestEmailsInLowerCase writes the keys of 10,000 rows in lower case with one
// statement. No object is removed, whatever the instance takes for one key: one
// that folds ends with an object for each row; one that tells spellings apart
// has these and the old ones, which are told of.
func TestEmailsInLowerCase(t *testing.T) {
	const rows = 10_000
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		busyPlace(t)
		rule, left := simulator.FoldKeys, 0
		if api == "rest" {
			rule, left = simulator.ExactKeys, rows
		}
		w := newWorld(t, server, api, simulator.Options{Dedupe: map[string][]string{"Person": {"email"}}, Keys: rule, RecordKeys: true})
		w.exec(`CREATE TABLE person (email text PRIMARY KEY, name text)`)
		w.config.mappings = "  - {table: public.person, object: Person, key: {email: email}, attributes: {name: name}, on_delete: delete}\n"
		p := w.start()
		w.exec(`INSERT INTO person SELECT 'Person' || i || '@Example.com', 'n' || i FROM generate_series(1, $1::int) i`, rows)
		w.settle(p)
		w.exec(`UPDATE person SET email = lower(email)`)
		w.settle(p)
		objects := w.sim.Objects("Person")
		if want := rows + left; len(objects) != want {
			t.Errorf("%d objects, want %d", len(objects), want)
		}
		for i := 1; i <= rows; i++ {
			email := "person" + strconv.Itoa(i) + "@example.com"
			if o := objects[email]; o["email"] != email || o["name"] != "n"+strconv.Itoa(i) {
				t.Fatalf("object of row %d is %v", i, o)
			}
		}
		for _, call := range w.writes() {
			if call.Operation == "delete" {
				t.Fatalf("%d objects were removed", call.Objects)
			}
		}
		if said := p.output.String(); !strings.Contains(said, "a key is spelled in another way") {
			t.Error("the log says nothing of the old spellings")
		}
		if _, metrics := w.get("/metrics"); !strings.Contains(metrics, `cdcsync_keys_respelled_total{mapping="person"} 10000`) {
			t.Error("the metric does not count the old spellings")
		}
		w.noViolations()
		p.stop(t)
	})
}
