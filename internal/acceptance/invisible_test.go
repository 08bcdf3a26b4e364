package acceptance_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestRetryBeforeTheRowIsVisible commits rows while a synchronous standby is
// waited for that never comes: their changes are streamed, and nobody can see
// them. Marketo does not know the lead yet; what is tried again meanwhile, also
// in a later life, must not take the row for gone.
func TestRetryBeforeTheRowIsVisible(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"})
		w := newWorld(t, c, api, simulator.Options{Dedupe: map[string][]string{"Thing": {"rid"}}})
		w.exec(`CREATE TABLE thing (code text PRIMARY KEY, name text)`)
		w.config.mappings = "  - {table: public.thing, object: Thing, key: {rid: code}, attributes: {name: name}, on_delete: delete}\n"
		if err := w.sim.Fail(simulator.Rule{Objects: &simulator.ObjectFault{Message: "Value not allowed"}}); err != nil {
			t.Fatal(err)
		}
		p := w.start()
		hidden, err := pgx.Connect(t.Context(), c.URL(w.database))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hidden.Exec(t.Context(), `SET synchronous_commit = on`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error, 1)
		go func() {
			_, err := hidden.Exec(ctx, `INSERT INTO thing VALUES ('a', 'one')`)
			waiting <- err
		}()
		w.awaitParked(1)
		w.sim.Heal()
		retry := func() {
			if output, code := w.command("parked", "retry", "--all"); code != 0 {
				t.Fatalf("retry: exit code %d: %s", code, output)
			}
		}
		retry()
		time.Sleep(2 * time.Second)
		if n := w.sim.Count("Thing"); n != 0 {
			t.Fatalf("%d objects of a row that nobody can see", n)
		}
		p.stop(t)
		p = w.launch()
		w.awaitReady(p)
		retry()
		cancel() // the wait ends with the session, and the row is there
		<-waiting
		await(t, time.Minute, func() (bool, string) {
			return w.sim.Count("Thing") == 1, "the object does not come"
		})
		w.awaitParked(0)
		p.stop(t)
	})
}
