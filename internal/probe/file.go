package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Path is where the answers are that go with a state file.
func Path(state string) string { return state + ".probe.json" }

// Save keeps what was found out, in place of what was before.
func (r *Record) Save(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".probe-*")
	if err != nil {
		return fmt.Errorf("keep the answers: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep the answers: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Load returns what is kept; ok is false where there is nothing.
func Load(path string) (r Record, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read the answers of a probe: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, false, fmt.Errorf("read the answers of a probe: %s is damaged; remove it, and probe again", path)
	}
	return r, true, nil
}
