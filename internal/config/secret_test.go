package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/config"
)

const hush = "hunter2-hush"

// A secret shows in no form that a program might print it in, nested in
// exported and unexported fields, behind pointers, in slices and maps.
func TestSecretCannotBePrinted(t *testing.T) {
	type inner struct{ s config.Secret }
	type Outer struct {
		Secret  config.Secret
		Pointer *config.Secret
		hidden  config.Secret
		nested  inner
		List    []config.Secret
		Map     map[string]config.Secret
		Any     any
	}
	s := config.NewSecret(hush)
	o := Outer{s, &s, s, inner{s}, []config.Secret{s}, map[string]config.Secret{"k": s}, s}
	for _, v := range []any{s, &s, o, &o, o.nested, o.hidden, []any{o}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%10v", "%t"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, hush) || strings.Contains(got, fmt.Sprintf("%x", hush)) {
				t.Errorf("%s of %T shows the secret: %s", verb, v, got)
			}
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json of %T: %v", v, err)
		}
		asYAML, err := yaml.Marshal(v)
		if err != nil {
			t.Errorf("yaml of %T: %v", v, err)
		}
		if all := b.String() + string(asJSON) + string(asYAML); strings.Contains(all, hush) {
			t.Errorf("%T shows the secret: %s", v, all)
		}
	}
	if got := fmt.Errorf("wrapped: %v: %w", s, errors.New("x")).Error(); got != "wrapped: (secret): x" {
		t.Errorf("got %s", got)
	}
	if got, err := s.Reveal(); got != hush || err != nil || !s.IsSet() {
		t.Errorf("got %q, %v", got, err)
	}
	var unset config.Secret
	if _, err := unset.Reveal(); err == nil || unset.IsSet() {
		t.Errorf("an unset secret: got %v, set %t", err, unset.IsSet())
	}
}

// The whole configuration can be logged.
func TestConfigCannotBeMadeToTell(t *testing.T) {
	c, err := load(t, smallest)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c.Marketo)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v", c, c, *c) + string(data) + fmt.Sprintf("%+v %#v", c.Marketo.SOAP, c.Marketo.SOAP)
	if strings.Contains(all, "hush") || strings.Contains(all, "postgres://") {
		t.Errorf("the configuration shows a secret: %s", all)
	}
}

const fromFile = `
source: {url_file: url}
marketo: {soap: {endpoint: "http://localhost:1/", user_id: u, secret_key: "${MARKETO_SECRET_KEY}"}}
mappings: [{table: visits, object: RoadShow, key: {rid: id}}]
`

func TestSecretFile(t *testing.T) {
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		want    string
		err     string
	}{
		{"plain", "host=/tmp", 0o600, "host=/tmp", ""},
		{"one newline is cut", "host=/tmp\n\n", 0o400, "host=/tmp\n", ""},
		{"one line end of Windows is cut", "host=/tmp\r\n", 0o600, "host=/tmp", ""},
		{"empty", "\n", 0o600, "", "is empty; write the secret into it"},
		{"zero byte", "host=\x00", 0o600, "", "holds a zero byte; write the secret as text"},
		{"group may read", "host=/tmp", 0o640, "", "has mode 0640, so that others can read or write it; run: chmod 600"},
		{"group may write", "host=/tmp", 0o620, "", "has mode 0620"},
		{"all may read", "host=/tmp", 0o604, "", "has mode 0604"},
		{"64 KiB", "host=" + strings.Repeat("x", 64<<10-5), 0o600, "host=" + strings.Repeat("x", 64<<10-5), ""},
		{"more", "host=" + strings.Repeat("x", 64<<10-4), 0o600, "", "is larger than 64 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			directory := t.TempDir()
			path := filepath.Join(directory, "cdcsync.yaml")
			write(t, path, fromFile, 0o600)
			write(t, filepath.Join(directory, "url"), tt.content, tt.mode)
			c, err := config.Load(path, environment)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "host=") {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Source.URL.Reveal(); got != tt.want || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// A file that others may read is fine where the service manager guards it, and
// is read again each time.
func TestSecretFileOfCredentials(t *testing.T) {
	directory := t.TempDir()
	path, secret := filepath.Join(directory, "cdcsync.yaml"), filepath.Join(directory, "url")
	write(t, path, fromFile, 0o600)
	write(t, secret, "host=/one", 0o644)
	getenv := func(name string) (string, bool) {
		if name == "CREDENTIALS_DIRECTORY" {
			return directory, true
		}
		return environment(name)
	}
	c, err := config.Load(path, getenv)
	if err != nil {
		t.Fatal(err)
	}
	write(t, secret, "host=/two", 0o644)
	if got, err := c.Source.URL.Reveal(); got != "host=/two" || err != nil {
		t.Errorf("after a change: got %q, %v", got, err)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Source.URL.Reveal(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("after removal: got %v", err)
	}
}

func TestLoadOddFiles(t *testing.T) {
	directory := t.TempDir()
	fifo := filepath.Join(directory, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(directory, "large")
	write(t, large, "#"+strings.Repeat("x", 1<<20), 0o600)
	for path, want := range map[string]string{
		filepath.Join(directory, "none"): "does not exist; correct the path or create the file",
		directory:                        "is a directory; name a file",
		fifo:                             "is no regular file; name a file",
		large:                            "is larger than 1024 KiB; is it the right file?",
	} {
		if _, err := config.Load(path, environment); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Of a file that was not written for us nothing is shown, however many lines it
// has.
func TestForeignFile(t *testing.T) {
	for _, text := range []string{
		"root: hush\ndaemon: hush\nhush: x\n", "hush:x:0:0\nroot:y:0:0\n", "HUSH=hush\nTWO=hush\n", "- hush\n- hush\n",
		"[hush]\nhush = hush\n", "{\"hush\": {\"hush\": \"hush\"}}", "hush hush: hush: hush\n", "\thush\n",
	} {
		_, err := load(t, text)
		if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want one line that shows nothing", text, err)
		}
	}
	_, err := load(t, smallest+"mapping_files: [a.yaml]\n", "a.yaml", "hush: 1\nhash: 2\n")
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("a file of mappings: got %v", err)
	}
}
