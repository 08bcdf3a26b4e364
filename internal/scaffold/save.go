package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cdcsync/cdcsync/internal/config"
)

// Save writes the file, and the JSON Schema beside it where there is none. A
// file that is there already is refused, unless over is set.
func (f *File) Save(path string, over bool) error {
	if err := put(path, []byte(f.Text()), over); err != nil {
		return err
	}
	err := put(filepath.Join(filepath.Dir(path), f.Schema), config.JSONSchema, over)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// put writes a whole file or none.
func put(path string, text []byte, over bool) error {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }()
	_, err = next.Write(text)
	if err = errors.Join(err, next.Chmod(0o644), next.Close()); err != nil {
		return err
	}
	if over {
		return os.Rename(next.Name(), path)
	}
	// A link, unlike a rename, does not take the place of what is there.
	if err := os.Link(next.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Obstacles lists what stands against each table that is not mapped.
func (f *File) Obstacles() string {
	var b strings.Builder
	for i := range f.Proposals {
		p := &f.Proposals[i]
		for _, why := range p.Obstacles {
			fmt.Fprintf(&b, "- %s.%s: %s\n", inComment(p.Table.Schema), inComment(p.Table.Name), inComment(why))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Summary says what was proposed, and what to do next.
func (f *File) Summary(path string) string {
	var b strings.Builder
	name := path
	if name == "" {
		name = "cdcsync.yaml"
	}
	fmt.Fprintf(&b, "mapped: %d of %d tables\n", f.Mapped(), len(f.Proposals))
	if obstacles := f.Obstacles(); obstacles != "" {
		b.WriteString("not mapped yet:\n" + obstacles + "\n")
	}
	if len(f.Steps) > 0 {
		b.WriteString("before the first start:\n")
		for _, s := range stepsOf(f.Steps) {
			for _, line := range s.lines() {
				b.WriteString(inComment(line) + "\n")
			}
		}
	}
	var unset []string
	for _, v := range []string{"DATABASE_URL", "MARKETO_ENDPOINT", "MARKETO_CLIENT_ID", "MARKETO_CLIENT_SECRET", "MARKETO_USER_ID", "MARKETO_SECRET_KEY"} {
		if _, set := os.LookupEnv(v); !set && strings.Contains(f.Text(), "${"+v+"}") {
			unset = append(unset, v)
		}
	}
	if unset != nil {
		b.WriteString("to be set in the environment: " + list(unset) + "\n")
	}
	b.WriteString("next: look through the file, then run: cdcsync check -c " + name + "\n")
	return b.String()
}
