package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFileOfTheWALIsGone takes a file of pg_wal away that the slot keeps, as by
// hand on a full disk. Nothing says so before the stream comes to it: check and
// readiness do, and when the file is back, what was in it is delivered.
func TestFileOfTheWALIsGone(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newThings(t, ownServer(t, nil), "rest", "    on_delete: delete\n")
	w.exec(things)
	p := w.start()
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
	w.settle(p)
	p.stop(t)
	w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
	file := filepath.Join(w.value(`current_setting('data_directory')`), "pg_wal", w.value(`SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots`))
	w.exec(`SELECT pg_switch_wal()`)
	w.exec(`INSERT INTO thing VALUES ('c', 3, 'three')`)
	w.exec(`CHECKPOINT`)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	const remedy = "put it back from an archive"
	if output, code := w.command("check"); code == 0 || !strings.Contains(output, remedy) {
		t.Errorf("check: exit code %d:\n%s", code, output)
	}
	p = w.launch()
	w.halts(30*time.Second, "has already been removed", remedy)
	p.stop(t)
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	p = w.start()
	w.settle(p)
	w.wantNames(map[string]string{"a": "one", "b": "two", "c": "three"})
	p.stop(t)
}
