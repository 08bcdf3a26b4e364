package replication_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// reader is a session that reads rows of tables of schema public.
type reader struct {
	*rowread.Session
	t *testing.T
}

func newReader(t *testing.T, source *replication.Source) *reader {
	t.Helper()
	r, err := rowread.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return &reader{r, t}
}

func (r *reader) snapshot(table string, key ...string) (*rowread.Snapshot, error) {
	return r.Snapshot(r.t.Context(), catalog.TableName{Schema: "public", Name: table}, key, nil)
}

// begin is a snapshot that must succeed; it ends with the test.
func (r *reader) begin(table string, key ...string) *rowread.Snapshot {
	r.t.Helper()
	s, err := r.snapshot(table, key...)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// texts are keys of one column.
func texts(values ...string) []rowread.Key {
	keys := make([]rowread.Key, len(values))
	for i, v := range values {
		keys[i].Values = []string{v}
	}
	return keys
}

// answers reads keys and renders what came of each: rows apart by commas.
func answers(t *testing.T, s *rowread.Snapshot, keys []rowread.Key) []string {
	t.Helper()
	got := make([]string, len(keys))
	count := make([]int, len(keys))
	err := s.Rows(t.Context(), keys, func(i int, rows [][]pgoutput.Value, err error) {
		count[i]++
		var shown []string
		for _, row := range rows {
			shown = append(shown, pgoutputtest.Show(row))
		}
		slices.Sort(shown)
		got[i] = strings.Join(shown, ", ")
		if err != nil {
			got[i] = "error " + err.Error()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range count {
		if n != 1 {
			t.Errorf("key %d was answered %d times", i, n)
		}
	}
	return got
}

func wantRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
