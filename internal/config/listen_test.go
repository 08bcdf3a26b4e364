package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
)

func TestReadHTTP(t *testing.T) {
	getenv := func(name string) (string, bool) { return "127.0.0.1:9001", name == "ADDRESS" }
	tests := []struct{ name, text, want, mistake string }{
		{"given", "http: {listen: '127.0.0.1:9000'}", "127.0.0.1:9000", ""},
		{"not given", "source: {slot: x}", "127.0.0.1:9640", ""},
		{"other keys of the section", "http: {other: 1}", "127.0.0.1:9640", ""},
		{"from the environment", "http: {listen: '${ADDRESS}'}", "127.0.0.1:9001", ""},
		{"secrets that are not here", "source: {url: '${DATABASE_URL}'}\nmarketo: {rest: {client_secret_file: nowhere}}\nhttp: {listen: ':9000'}", ":9000", ""},
		{"mistakes elsewhere", "delivery: {max_wait: 7}\nhttp: {listen: ':9000'}\nnonsense: 1", ":9000", ""},
		{"not set in the environment", "http: {listen: '${NOTHING}'}", "", "cdcsync.yaml:1:16: http.listen: refers to ${NOTHING}"},
		{"no address", "http: {listen: here}", "", "http.listen: is \"here\"; allowed is HOST:PORT"},
		{"no section", "http: 9000", "", "http: is a number; a section is expected"},
		{"a list", "- http", "", "is a list; a section is expected"},
		{"not YAML", "http: [", "", "is not YAML"},
		{"empty", "", "", "is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cdcsync.yaml")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := config.ReadHTTP(file, getenv)
			if tt.mistake == "" && err != nil || tt.mistake != "" && (err == nil || !strings.Contains(err.Error(), tt.mistake)) {
				t.Errorf("error: got %v, want %q in it", err, tt.mistake)
			}
			if got.Listen != tt.want {
				t.Errorf("got %q, want %q", got.Listen, tt.want)
			}
		})
	}
	if _, err := config.ReadHTTP(filepath.Join(t.TempDir(), "none.yaml"), getenv); err == nil {
		t.Error("no file: got no error")
	}
}
