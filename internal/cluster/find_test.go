package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNewest(t *testing.T) {
	tests := []struct {
		name string
		dirs []string
		want string
	}{
		{"numbers, not text", []string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin"}, "/usr/lib/postgresql/15/bin"},
		{"homebrew", []string{"/opt/homebrew/opt/postgresql/bin", "/opt/homebrew/opt/postgresql@17/bin", "/opt/homebrew/opt/postgresql@14/bin"}, "/opt/homebrew/opt/postgresql@17/bin"},
		{"red hat", []string{"/usr/pgsql-16/bin", "/usr/pgsql-13/bin"}, "/usr/pgsql-16/bin"},
		{"latest is no number", []string{"/Applications/Postgres.app/Contents/Versions/latest/bin"}, "/Applications/Postgres.app/Contents/Versions/latest/bin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newest(tt.dirs); got != tt.want {
				t.Errorf("newest(%v) = %s, want %s", tt.dirs, got, tt.want)
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	t.Setenv("CDCSYNC_PG_BIN", "")
	t.Setenv("PATH", t.TempDir())
	saved := places
	t.Cleanup(func() { places = saved })
	places = []string{filepath.Join(t.TempDir(), "*", "bin")}
	if _, err := Find(); err != ErrNotInstalled {
		t.Errorf("Find() = %v, want ErrNotInstalled", err)
	}

	root := t.TempDir()
	for _, program := range []string{"13/bin/initdb", "13/bin/postgres", "16/bin/initdb", "15/bin/initdb", "15/bin/postgres"} {
		file := filepath.Join(root, program)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	places = []string{filepath.Join(root, "*", "bin")}
	got, err := Find()
	if want := filepath.Join(root, "15", "bin"); err != nil || got != want {
		t.Errorf("Find() = %s, %v; want %s, the newest that is complete", got, err, want)
	}
}
