package acceptance_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestErase: what is kept of a row that was deleted is erased, while the program runs
// and while it does not, and no byte of it is in any file then.
func TestErase(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		const secret = "Krähwinkel"
		w := newItems(t, server, api, 1, simulator.Options{})
		w.config.mappings = strings.Replace(w.config.mappings, "on_delete: delete", "on_delete: ignore", 1)
		kept := func() (files []string) {
			t.Helper()
			all, err := filepath.Glob(w.dir + "/*.db*")
			if err != nil || len(all) == 0 {
				t.Fatalf("no files: %v", err)
			}
			for _, file := range all {
				if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(secret)) {
					files = append(files, filepath.Base(file))
				}
			}
			return files
		}
		erase := func(code int, args []string, want ...string) {
			t.Helper()
			output, got := w.command(append([]string{"erase", "items"}, args...)...)
			if got != code {
				t.Fatalf("erase %q: exit code %d, want %d: %s", args, got, code, output)
			}
			for _, text := range want {
				if !strings.Contains(output, text) {
					t.Errorf("erase %q does not say %q: %s", args, text, output)
				}
			}
		}
		p := w.start()
		w.settle(p)
		w.failing(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Modulus: 1, Code: "1003", Message: "Value not allowed"}})
		w.exec(`INSERT INTO items VALUES (7, 1, $1), (8, 1, $1)`, secret)
		w.awaitParked(2)
		w.sim.Heal()
		if kept() == nil {
			t.Fatal("what is to be erased is in no file")
		}
		erase(1, []string{"7"}, "the row is still in public.items", "--force")
		w.exec(`DELETE FROM items WHERE id IN (7, 8)`)
		w.settle(p)
		erase(0, []string{"7"}, "Item id=7", "parked     one object, with its values", "on_delete: ignore")
		erase(0, []string{"7"}, "parked     nothing")
		if listed := w.parkedNow(); listed.Total != 1 {
			t.Errorf("parked after the first is erased: %+v", listed)
		}
		p.stop(t)
		if kept() == nil {
			t.Fatal("what is to be erased by the second one is in no file")
		}
		erase(1, []string{"9,9"}, "erase:")
		output, code := w.command("erase", "items", "8", "--json")
		var erased admin.Erased
		if err := json.Unmarshal([]byte(output), &erased); err != nil || code != 0 || erased.Parked != 1 || erased.Fields != "id=8" {
			t.Errorf("erased while nothing runs: exit code %d, %v: %s", code, err, output)
		}
		if files := kept(); files != nil {
			t.Errorf("%q still have what was erased", files)
		}
		p = w.start()
		w.exec(`UPDATE items SET version = 2 WHERE id = 1`)
		w.settle(p)
		w.itemsAgree()
		if listed := w.parkedNow(); listed.Total != 0 {
			t.Errorf("parked after the restart: %+v", listed)
		}
		p.stop(t)
		w.noViolations()
	})
}
