package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const users = "basic_auth_users: {alice: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n"

func TestLogin(t *testing.T) {
	token := strings.Repeat("0f", 12) + "\n"
	tests := []struct {
		name, http, token, web string
		mode                   os.FileMode
		mistake, warning       string
	}{
		{"a token", "token_file: token", token, "", 0o600, "", ""},
		{"a short token", "token_file: token", "hunter2\n", "", 0o600, "which can be guessed", ""},
		{"a token with a blank", "token_file: token", "correct horse battery\n", "", 0o600, "that cannot be sent", ""},
		{"a token that others can read", "token_file: token", token, "", 0o644, "chmod 600", ""},
		{"no token", "token_file: none", token, "", 0o600, "does not exist", ""},
		{"users without TLS", "web_config: web.yaml", token, users, 0o600, "", "without TLS"},
		{"users and a token", "web_config: web.yaml, token_file: token", token, users, 0o600, "keep one of them", "without TLS"},
		{"a token and users", "token_file: token, web_config: web.yaml", token, users, 0o600, "keep one of them", "without TLS"},
		{"a certificate that is not there", "web_config: web.yaml", token, "tls_server_config: {cert_file: none.pem, key_file: none.pem}\n", 0o600, "none.pem", ""},
		{"no web configuration", "web_config: none.yaml", token, users, 0o600, "does not exist", ""},
		{"something else", "web_config: web.yaml", token, "[1, 2]\n", 0o600, "no web configuration", ""},
		{"a key that is not known", "web_config: web.yaml", token, "users: {a: b}\n", 0o600, "users", ""},
		{"nobody is asked", "listen: '0.0.0.0:9640'", token, "", 0o600, "", "nobody is asked for a login"},
		{"a token in the clear", "listen: '0.0.0.0:9640', token_file: token", token, "", 0o600, "", "without TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			for name, text := range map[string]string{
				"token": tt.token, "web.yaml": tt.web,
				"cdcsync.yaml": fmt.Sprintf(`
source: {url: "postgres://u@127.0.0.1/d"}
marketo: {rest: {endpoint: "http://127.0.0.1:1", client_id: "a", client_secret: "b"}}
http: {%s}
mappings: [{table: public.t, object: t_c, key: {id: id}}]
`, tt.http),
			} {
				mode := os.FileMode(0o600)
				if name == "token" {
					mode = tt.mode
				}
				if err := os.WriteFile(filepath.Join(folder, name), []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(filepath.Join(folder, "cdcsync.yaml"), func(string) (string, bool) { return "", false })
			if tt.mistake == "" && err != nil || tt.mistake != "" && (err == nil || !strings.Contains(err.Error(), tt.mistake)) {
				t.Errorf("mistake: got %v, want %q in it", err, tt.mistake)
			}
			if err != nil && strings.Contains(err.Error(), strings.TrimSpace(tt.token)) {
				t.Errorf("the token is shown: %v", err)
			}
			if err == nil {
				var warnings []string
				for _, w := range c.Warnings {
					warnings = append(warnings, w.Error())
				}
				if all := strings.Join(warnings, "\n"); !strings.Contains(all, tt.warning) || tt.warning == "" && strings.Contains(all, "http") {
					t.Errorf("warnings: got %s, want %q", all, tt.warning)
				}
			}
		})
	}
}
