// Package rowreadtest reads rows in tests, and shows what came of it.
package rowreadtest

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

// Reader is a session that reads rows of tables of schema public.
type Reader struct {
	*rowread.Session
	t *testing.T
}

// Open opens a session that ends with the test.
func Open(t *testing.T, source *replication.Source) *Reader {
	t.Helper()
	r, err := rowread.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return &Reader{r, t}
}

// Take takes a snapshot of a table, to read rows by the key.
func (r *Reader) Take(table string, key ...string) (*rowread.Snapshot, error) {
	return r.Snapshot(r.t.Context(), catalog.TableName{Schema: "public", Name: table}, key, nil)
}

// Begin is a snapshot that must succeed; it ends with the test.
func (r *Reader) Begin(table string, key ...string) *rowread.Snapshot {
	r.t.Helper()
	s, err := r.Take(table, key...)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// Texts are keys of one column.
func Texts(values ...string) []rowread.Key {
	keys := make([]rowread.Key, len(values))
	for i, v := range values {
		keys[i].Values = []string{v}
	}
	return keys
}

// Answers reads keys and renders what came of each: rows apart by commas.
func Answers(t *testing.T, s *rowread.Snapshot, keys []rowread.Key) []string {
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

// Want compares answers.
func Want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
