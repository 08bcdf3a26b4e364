package acceptance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/preview"
)

// newPreviewed is a world with rows of every fate.
func newPreviewed(t *testing.T, api string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{Types: []simulator.Type{{
		Name: "Visit", Dedupe: []string{"visitId"}, Assets: []simulator.Asset{{Type: "Smart Campaign", ID: 7, Name: "Welcome"}}, Fields: []simulator.Field{
			{Name: "visitId", Type: simulator.Integer}, {Name: "city", Type: simulator.String, Length: 10},
			{Name: "total", Type: simulator.Float}, {Name: "email", Type: simulator.Email}, {Name: "vip", Type: simulator.Boolean},
			{Name: "at", Type: simulator.DateTime},
		},
	}}})
	w.config.mappings = `
  - table: visits
    object: Visit
    key: {visitId: id}
    attributes:
      city: city
      total: total
      email: {lookup: {table: people, column: email, match: {id: person}}}
      vip: {expr: 'person == 1'}
      at: at
    where: city != 'nowhere'
`
	w.exec(`CREATE TABLE people (id int PRIMARY KEY, email text);
		INSERT INTO people VALUES (1, 'a@example.com'), (2, 'b@example.com');
		CREATE TABLE visits (id int PRIMARY KEY, city text, total numeric, person int, at timestamptz);
		INSERT INTO visits VALUES (1, 'Köln', 1.50, 1, '2026-01-01 01:00+01'), (2, 'Bonn', 2, 2, '2026-01-02 00:00Z')`)
	p := w.start()
	w.exec(`UPDATE visits SET total = total`)
	w.settle(p)
	p.stop(t)
	w.exec(`UPDATE visits SET total = 3 WHERE id = 2; UPDATE people SET email = 'c@example.com' WHERE id = 2;
		INSERT INTO visits VALUES (3, 'Ulm', NULL, 7, NULL), (4, 'nowhere', 1, 1, NULL), (5, 'Mainz', 'NaN', 1, NULL), (6, 'much too long', 1, 1, NULL)`)
	return w
}

// TestPreview shows rows of every fate beside their objects, over both APIs, and
// sends nothing.
func TestPreview(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newPreviewed(t, api)
		calls := len(w.writes())
		before := w.confirmed()
		output, code := w.command("preview", "visits", "--json", "--interval", "1ms")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, output)
		}
		output = output[strings.Index(output, "{"):]
		var shown struct {
			Mappings []struct {
				Rows     []preview.Row     `json:"rows"`
				Asked    int               `json:"calls_asked"`
				Findings []struct{}        `json:"findings"`
				Existing *preview.Existing `json:"existing"`
				Daily    *preview.Daily    `json:"daily"`
			} `json:"mappings"`
			Problem string `json:"problem"`
		}
		if err := json.Unmarshal([]byte(output), &shown); err != nil {
			t.Fatal(err, output)
		}
		m := shown.Mappings[0]
		if len(m.Findings) != map[string]int{"soap": 0, "rest": 1}[api] { // a numeric for a float
			t.Errorf("%d findings: %s", len(m.Findings), output)
		}
		want := []preview.Verdict{preview.Unchanged, preview.Changed, preview.Created, preview.LeftOut, preview.Rejected, preview.Rejected}
		if api == "soap" { // which does not describe its objects
			want[5] = preview.Created
		}
		if len(m.Rows) != len(want) || shown.Problem != "" {
			t.Fatalf("%d rows, problem %q", len(m.Rows), shown.Problem)
		}
		for i, r := range m.Rows {
			if r.Verdict != want[i] {
				t.Errorf("row %d would be %s (%s), want %s: %+v", i+1, r.Verdict, r.Reason, want[i], r.Attributes)
			}
		}
		changed := ""
		for _, a := range m.Rows[1].Attributes {
			if a.Changes {
				changed += " " + a.Name + "=" + a.Value.Text + " was " + a.Marketo.Text
			}
		}
		if changed != " total=3 was 2 email=c@example.com was b@example.com" {
			t.Errorf("what changes of row 2:%s", changed)
		}
		asked := map[string]int{"soap": 4, "rest": 1} // rows 1, 2, 3 and 6
		if m.Asked != asked[api] || m.Existing == nil || m.Existing.Rows != 6 || m.Daily == nil {
			t.Errorf("%d calls, existing %+v, daily %+v", m.Asked, m.Existing, m.Daily)
		}
		text, code := w.command("preview", "--rows", "3")
		for _, want := range []string{"visits: public.visits -> Visit (upsert)", `"Köln"`, "lookup public.people.email", "the same", "1 created, 1 changed, 1 unchanged; Marketo was asked in ", "a backfill takes 1 call\n"} {
			if code != 0 || !strings.Contains(text, want) {
				t.Errorf("exit code %d, no %q in:\n%s", code, want, text)
			}
		}
		if (api == "rest") != strings.Contains(text, `used by  Smart Campaign "Welcome" (7): objects that are created`) {
			t.Errorf("what uses the type:\n%s", text)
		}
		if api == "soap" && !strings.Contains(text, "over SOAP it takes 3 calls") {
			t.Errorf("the price is not said:\n%s", text)
		}
		all := len(w.sim.Calls())
		text, code = w.command("preview", "--offline")
		if code != 0 || !strings.Contains(text, "Marketo was not asked: --offline") || len(w.sim.Calls()) != all {
			t.Errorf("offline: exit code %d, %d calls: %s", code, len(w.sim.Calls())-all, text)
		}
		if text, code = w.command("preview", "visit"); code != 2 || !strings.Contains(text, "there is no mapping visit; there are visits") {
			t.Errorf("exit code %d: %s", code, text)
		}
		// It takes no lock but the weakest, and does not wait long for that.
		w.exec(`BEGIN; LOCK TABLE visits IN EXCLUSIVE MODE`)
		if text, code = w.command("preview", "--offline"); code != 0 {
			t.Errorf("beside an EXCLUSIVE lock: exit code %d: %s", code, text)
		}
		w.exec(`LOCK TABLE visits IN ACCESS EXCLUSIVE MODE`)
		began := time.Now()
		if text, code = w.command("preview", "--offline"); code != 1 || !strings.Contains(text, "its rows cannot be shown: ") || time.Since(began) > 20*time.Second {
			t.Errorf("behind an ACCESS EXCLUSIVE lock: exit code %d after %s: %s", code, time.Since(began), text)
		}
		w.exec(`ROLLBACK`)
		// A mapping that cannot be shown does not take the others along.
		w.config.mappings += "  - {table: odd, object: Odd, key: {id: id}}\n"
		w.exec(`CREATE TABLE odd (id int); ALTER TABLE odd REPLICA IDENTITY FULL`)
		w.configure()
		text, code = w.command("preview", "--offline")
		if code != 1 || !strings.Contains(text, "visits: public.visits -> Visit") || !strings.Contains(text, "odd: public.odd -> Odd (upsert)\nits rows cannot be shown: ") {
			t.Errorf("exit code %d: %s", code, text)
		}
		if len(w.writes()) != calls || w.confirmed() != before {
			t.Error("something was sent, or the slot was moved")
		}
		w.noViolations()
	})
}
