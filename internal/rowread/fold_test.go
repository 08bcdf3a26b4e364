package rowread_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/rowread"
	"github.com/cdcsync/cdcsync/internal/rowread/rowreadtest"
)

// A search for other spellings uses an index of an expression that folds the key,
// and finds the same row as without.
func TestFoldedRowsByAnIndex(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE f (tenant int, "Code" varchar(40), note text);
		INSERT INTO f SELECT i % 10, 'Code-' || i, 'row ' || i FROM generate_series(1, 20000) i; ANALYZE f`)
	r := rowreadtest.Open(t, d.source)
	for _, test := range []struct {
		index string
		used  bool
	}{
		{``, false},
		{`CREATE INDEX i ON f (lower("Code"))`, false}, // it is not unique, and knows blanks
		{`CREATE UNIQUE INDEX i ON f (lower("Code"))`, true},
		{`CREATE UNIQUE INDEX i ON f (tenant, upper("Code"))`, true},
		{`CREATE INDEX i ON f (lower(rtrim("Code")))`, true},
		{`CREATE UNIQUE INDEX i ON f (lower("Code")) WHERE tenant > 3`, false},
		{`CREATE UNIQUE INDEX i ON f (lower("Code"), note)`, false},
	} {
		t.Run(test.index, func(t *testing.T) {
			if test.index != "" {
				d.exec(test.index)
				defer d.exec(`DROP INDEX i`)
			}
			s := r.Begin("f", "tenant", "Code")
			defer s.End(t.Context())
			keys := []rowread.Key{{Values: []string{"7", "cODE-17"}, Folded: true}, {Values: []string{"8", "cODE-17"}, Folded: true}, {Values: []string{"1", "CODE-99991"}, Folded: true}}
			rowreadtest.Want(t, rowreadtest.Answers(t, s, keys), `"7" "Code-17" "row 17"`, "", "")
			plan, err := s.FoldedPlan(t.Context(), "7", "cODE-17")
			if used := strings.Contains(plan, "using i ") || strings.Contains(plan, "on i "); err != nil || used != test.used {
				t.Errorf("used: want %v, %v\n%s", test.used, err, plan)
			}
		})
	}
}

// A search of a large table without such an index is told once, with the index
// that would spare it; after that there is nothing to tell.
func TestSearchesAreTold(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE f (code text PRIMARY KEY, note text); INSERT INTO f SELECT 'Code-' || i, 'x' FROM generate_series(1, 20000) i; ANALYZE f`)
	set, err := mapping.Compile([]mapping.Definition{{Name: "f", Schema: "public", Table: "f", Object: "F", Key: []mapping.Rule{{Attribute: "code", Column: "code"}},
		Attributes: []mapping.Rule{{Attribute: "note", Column: "note"}}, OnDelete: mapping.DeletePolicy{Delete: true}}})
	if err != nil {
		t.Fatal(err)
	}
	asked := func() string {
		var log bytes.Buffer
		r := rowread.New(d.source, set, slog.New(slog.NewTextHandler(&log, nil)))
		done := make(chan error, 1)
		go func() { done <- r.Run(t.Context()) }()
		for n := range uint64(3) {
			r.Ask(delivery.Read{Read: n, Object: marketo.NewObject(set.Shape(0), []marketo.Value{{Kind: marketo.String, Text: "CODE-5"}, {}}), Folded: true})
			select {
			case row := <-r.Answers():
				if row.Read != n || row.State != delivery.RowMatches || row.Write.Object.Value(0).Text != "Code-5" {
					t.Errorf("got %+v", row)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("no answer")
			}
		}
		return log.String()
	}
	const words = "other spellings of keys are looked for"
	log := asked()
	if strings.Count(log, words) != 1 {
		t.Fatalf("logged:\n%s\nwant one line", log)
	}
	_, remedy, _ := strings.Cut(log, "run: ")
	remedy, _, _ = strings.Cut(remedy, ";")
	d.exec(strings.ReplaceAll(remedy, `\"`, `"`))
	if log := asked(); strings.Contains(log, words) {
		t.Errorf("logged after the remedy %s:\n%s", remedy, log)
	}
}
