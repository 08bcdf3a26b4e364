package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
)

// FuzzLoad: whatever the file holds, Load gives a configuration that is whole,
// or an error.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../../config.example.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(smallest))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "cdcsync.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, environment)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		if c.Set.Len() == 0 || c.Set.Len() != len(c.Mappings) || (c.Marketo.SOAP == nil) == (c.Marketo.REST == nil) {
			t.Errorf("not whole: %+v", c)
		}
		if c.Delivery.UnknownHold < c.Marketo.Timeout || c.State.SQLite == "" || c.Delivery.MaxPending < 1 {
			t.Errorf("out of bounds: %+v", c)
		}
	})
}
