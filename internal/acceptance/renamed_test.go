package acceptance_test

import (
	"strings"
	"testing"
)

// TestDatabaseIsRenamed gives the database another name while the program is
// stopped. The slot is still its own, and what waits in it is delivered.
func TestDatabaseIsRenamed(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newHistory(t, "rest")
	p := w.start()
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
	w.settle(p)
	p.stop(t)
	w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
	old := w.database
	w.disconnect()
	w.database += "_renamed"
	if err := w.cluster.Exec(t.Context(), "postgres", `ALTER DATABASE `+old+` RENAME TO `+w.database); err != nil {
		t.Fatal(err)
	}
	w.config.url = w.cluster.URL(w.database)
	want := `database "` + old + `" is called "` + w.database + `" now`
	if code, said := w.check(); code != 0 || !strings.Contains(said, want) {
		t.Errorf("check ends with %d: %s", code, said)
	}
	for _, told := range []bool{true, false} { // once, and then it is known
		p = w.start()
		w.settle(p)
		if got := strings.Contains(strings.ReplaceAll(p.output.String(), `\"`, `"`), want); got != told {
			t.Errorf("the log tells of the new name: %t, want %t", got, told)
		}
		p.stop(t)
	}
	w.wantThing("b", "n=2 name=two")
}
