package acceptance_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// newHistory is a world with the table thing, which the tests change under
// changes that wait.
func newHistory(t *testing.T, api string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{Types: []simulator.Type{{Name: "Thing", Dedupe: []string{"code"}, Fields: []simulator.Field{
		{Name: "code", Type: simulator.String}, {Name: "n", Type: simulator.Integer}, {Name: "name", Type: simulator.String},
	}}}})
	w.exec(`CREATE TABLE thing (code text PRIMARY KEY, n int, name text, memo text)`)
	w.mapThing("public.thing", "code", "{n: n, name: name}")
	return w
}

func (w *world) mapThing(table, key, attributes string) {
	w.config.mappings = fmt.Sprintf(`
  - name: thing
    table: %s
    object: Thing
    key: {code: %s}
    attributes: %s
    on_delete: delete
`, table, key, attributes)
}

// thing is what Marketo has of an object, "" for none.
func (w *world) thing(code string) string {
	o, ok := w.sim.Objects("Thing")[code]
	if !ok {
		return ""
	}
	return "n=" + o["n"] + " name=" + o["name"]
}

func (w *world) wantThing(code, want string) {
	w.t.Helper()
	if got := w.thing(code); got != want {
		w.t.Errorf("object %s: got %q, want %q", code, got, want)
	}
}

// halts waits until the program says that it is halted, with all of these
// words.
func (w *world) halts(limit time.Duration, words ...string) {
	w.t.Helper()
	await(w.t, limit, func() (bool, string) {
		status, body := w.get("/readyz")
		for _, word := range words {
			if !strings.Contains(body, word) {
				return false, fmt.Sprintf("readyz %d does not say %q: %s", status, word, body)
			}
		}
		return status == http.StatusServiceUnavailable, "ready: " + body
	})
}

// check runs cdcsync check and returns its exit code and what it says.
func (w *world) check() (int, string) {
	w.t.Helper()
	p := launch(w.t, program, "check", "-c", w.configure())
	return p.exit(w.t, time.Minute), p.output.String()
}

// checkForesees holds check to its word: a start that will halt is not fine.
func (w *world) checkForesees(words string) {
	w.t.Helper()
	code, said := w.check()
	if code != 2 || !strings.Contains(said, "a start would halt") || !strings.Contains(said, words) {
		w.t.Errorf("check ends with %d and does not say %q: %s", code, words, said)
	}
}

// TestOneMappingForAllOfHistory has changes wait that were written when the
// table was another: the mapping of the table as it is now delivers them.
func TestOneMappingForAllOfHistory(t *testing.T) {
	tests := []struct {
		name string
		// change happens while the program is stopped and, where together is
		// set, in one transaction while it runs, too.
		change          []string
		together        bool
		key, attributes string
		want            map[string]string
	}{
		{"insert without identity", []string{
			`ALTER TABLE thing DROP CONSTRAINT thing_pkey`, `INSERT INTO thing VALUES ('a', 1, 'one')`, `ALTER TABLE thing ADD PRIMARY KEY (code)`},
			true, "", "", map[string]string{"a": "n=1 name=one"}},
		{"column dropped and added again", []string{
			`ALTER TABLE thing DROP COLUMN name`, `INSERT INTO thing VALUES ('a', 1)`, `ALTER TABLE thing ADD COLUMN name text`, `UPDATE thing SET name = 'one'`},
			true, "", "", map[string]string{"a": "n=1 name=one"}},
		{"column renamed", []string{
			`INSERT INTO thing VALUES ('a', 1, 'one')`, `ALTER TABLE thing RENAME name TO title`},
			false, "", "{n: n, name: title}", map[string]string{"a": "n=1 name=one"}},
		{"column renamed, with both names", []string{
			`INSERT INTO thing VALUES ('a', 1, 'one')`, `ALTER TABLE thing RENAME name TO title`},
			false, "", "{n: n, name: {column: [title, name]}}", map[string]string{"a": "n=1 name=one"}},
		{"column of an expression and of where renamed", []string{
			`INSERT INTO thing VALUES ('a', 1, 'one')`, `ALTER TABLE thing RENAME name TO title`},
			false, "", "{n: n, name: {expr: 'upper(title)'}}\n    where: 'title != \"two\"'", map[string]string{"a": "n=1 name=ONE"}},
		{"column added and mapped", []string{
			`INSERT INTO thing VALUES ('a', 1)`, `ALTER TABLE thing ADD COLUMN title text DEFAULT 'new'`},
			false, "", "{n: n, name: title}", map[string]string{"a": "n=1 name=new"}},
		{"key renamed", []string{
			`INSERT INTO thing VALUES ('a', 1, 'one'), ('b', 2, 'two')`, `DELETE FROM thing WHERE code = 'b'`, `ALTER TABLE thing RENAME code TO id`},
			false, "{column: [id, code]}", "", map[string]string{"a": "n=1 name=one", "b": ""}},
		{"identity without the key for a while", []string{
			`ALTER TABLE thing ADD UNIQUE (n), ALTER n SET NOT NULL`, `INSERT INTO thing VALUES ('a', 1, 'one')`, `ALTER TABLE thing REPLICA IDENTITY USING INDEX thing_n_key`,
			`UPDATE thing SET name = 'two'`, `ALTER TABLE thing REPLICA IDENTITY DEFAULT`},
			true, "", "", map[string]string{"a": "n=1 name=two"}},
	}
	eachAPI(t, func(t *testing.T, api string) {
		for i, tt := range tests {
			if api == apis[i%2] && !*long {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				w := newHistory(t, api)
				p := w.start()
				if tt.together {
					w.exec(strings.Join(tt.change, "; "))
					w.settle(p)
					for code, want := range tt.want {
						w.wantThing(code, want)
					}
					w.exec(`DELETE FROM thing`)
					w.settle(p)
					w.wantThing("a", "")
				}
				p.stop(t)
				for _, sql := range tt.change {
					w.exec(sql)
				}
				if tt.key == "" {
					tt.key = "code"
				}
				if tt.attributes == "" {
					tt.attributes = "{n: n, name: name}"
				}
				w.mapThing("public.thing", tt.key, tt.attributes)
				if code, said := w.check(); code != 0 {
					t.Errorf("check ends with %d: %s", code, said)
				}
				p = w.start()
				w.settle(p)
				for code, want := range tt.want {
					w.wantThing(code, want)
				}
				p.stop(t)
				w.noViolations()
			})
		}
	})
}

// TestHistoryThatNoMappingFits halts where going on would lose something, and
// names the way on.
func TestHistoryThatNoMappingFits(t *testing.T) {
	needServer(t)
	t.Parallel()
	t.Run("key renamed and not told", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "rest")
		w.start().stop(t)
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.exec(`ALTER TABLE thing RENAME code TO id`)
		w.mapThing("public.thing", "id", "{n: n, name: name}")
		if code, said := w.check(); code != 3 || !strings.Contains(said, "code: {column: [id, code]}") {
			t.Errorf("check ends with %d: %s", code, said)
		}
		w.refused("mapping_changed")
		w.mapThing("public.thing", "{column: [id, code]}", "{n: n, name: name}")
		p := w.start()
		w.settle(p)
		w.wantThing("a", "n=1 name=one")
		p.stop(t)
	})
	t.Run("delete without the key", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "soap")
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one'), ('b', 2, 'two')`)
		w.exec(`ALTER TABLE thing ADD UNIQUE (n), ALTER n SET NOT NULL`)
		w.exec(`ALTER TABLE thing REPLICA IDENTITY USING INDEX thing_n_key`)
		w.exec(`DELETE FROM thing WHERE code = 'a'`)
		w.halts(time.Minute, "replica identity", "on_delete: ignore")
		w.exec(`ALTER TABLE thing REPLICA IDENTITY DEFAULT`)
		p.stop(t)
		w.checkForesees("on_delete: ignore")
		w.config.mappings = strings.Replace(w.config.mappings, "on_delete: delete", "on_delete: ignore", 1)
		p = w.start()
		w.settle(p)
		p.stop(t)
	})
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "rest")
		w.start().stop(t)
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.exec(`TRUNCATE thing`)
		w.checkForesees("was truncated")
		w.config.mappings += "    on_truncate: ignore\n"
		if code, said := w.check(); code != 0 || !strings.Contains(said, "all fit the mappings") {
			t.Errorf("check ends with %d: %s", code, said)
		}
	})
	t.Run("column renamed while running", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "rest")
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
		w.exec(`ALTER TABLE thing RENAME name TO title`)
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.halts(time.Minute, `was it renamed to "title"?`)
		p.stop(t)
		w.mapThing("public.thing", "code", "{n: n, name: title}")
		p = w.start()
		w.settle(p)
		w.wantThing("a", "n=1 name=one")
		p.stop(t)
	})
}
