package replication_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/replication"
)

// A password that changes is read again for every connection, and a file that
// cannot be used meanwhile is no reason to give up.
func TestPasswordIsReadAgain(t *testing.T) {
	d := newDatabase(t, table)
	d.exec("CREATE ROLE rotating LOGIN REPLICATION PASSWORD 'first'")
	t.Cleanup(func() {
		if err := d.cluster.Exec(context.Background(), d.name, "DROP ROLE rotating"); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &replication.Source{Slot: "s", Publication: "p", Reveal: func() (string, error) {
		data, err := os.ReadFile(file)
		return string(data), err
	}}
	ask := func() error {
		_, err := s.Inspect(t.Context())
		return err
	}
	url := strings.Replace(d.source.URL, "postgres@", "rotating:first@", 1)
	write(url)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantReason(t, ask(), replication.File)
	write("postgres://rotating:fi@rst@host/x")
	err := ask()
	wantReason(t, err, replication.File)
	if replication.Classify(err) == replication.Fatal || strings.Contains(err.Error(), "rst") {
		t.Errorf("got %v, want one that is tried again", err)
	}
	write(strings.Replace(url, "rotating:first@", "nobody_there:first@", 1))
	wantReason(t, ask(), replication.Credentials)
	write(url)
	if err := ask(); err != nil {
		t.Errorf("after it was corrected: %v", err)
	}
}
