package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
)

func TestWarnings(t *testing.T) {
	const weak = "connects to another machine without checking who answers"
	const inline = "stands in the file itself"
	url := func(s string) [2]string { return [2]string{`"${DATABASE_URL}"`, `"` + s + `"`} }
	tests := []struct {
		name string
		edit [2]string
		want string // the paths and the beginning of the text
	}{
		{"none", [2]string{}, ""},
		{"column lists", [2]string{"{url: \"${DATABASE_URL}\"}", "{url: \"${DATABASE_URL}\", publish_columns: mapped}"}, "source.publish_columns: gives the publication column lists"},
		{"no column lists", [2]string{"{url: \"${DATABASE_URL}\"}", "{url: \"${DATABASE_URL}\", publish_columns: all}"}, ""},
		{"socket", url("host=/run/postgresql dbname=x"), ""},
		{"loopback", url("postgres://u@127.0.0.1:5432,localhost/x"), ""},
		{"remote", url("postgres://u@db.example.com/x"), "source.url: " + weak},
		{"remote, require is no check", url("postgres://u@db.example.com/x?sslmode=require"), "source.url: " + weak},
		{"remote, checked", url("postgres://u@db.example.com/x?sslmode=verify-full"), ""},
		{"remote in the query", url("postgres:///x?host=db.example.com"), "source.url: " + weak},
		{"one of two remote", url("postgres://u@localhost:1,db.example.com:2/x"), "source.url: " + weak},
		{"remote pairs", url("host = 'db.example' user=u"), "source.url: " + weak},
		{"remote pairs, checked", url("hostaddr=10.0.0.1 sslmode=verify-ca"), ""},
		{"password in the URL", url("postgres://u:hush@localhost/x"), "source.url: " + inline},
		{"password in the pairs", url("password='hush' host=localhost"), "source.url: " + inline},
		{"secret", [2]string{`"${MARKETO_SECRET_KEY}"`, "hush"}, "marketo.soap.secret_key: " + inline},
		{"user", [2]string{`"${MARKETO_USER_ID}"`, "me"}, ""},
		{"timeout for a simulator", [2]string{`{soap: {endpoint: "https://123-ABC-456.mktoapi.com`, `{timeout: 60s, soap: {endpoint: "http://127.0.0.1:9641`}, "marketo.timeout: is 1m, and Marketo may execute a call for 2m"},
		{"listen", [2]string{"\nmarketo", "\nhttp: {listen: \"0.0.0.0:9640\"}\nmarketo"}, "http.listen: can be reached from other machines"},
		{"listen everywhere", [2]string{"\nmarketo", "\nhttp: {listen: \":9640\"}\nmarketo"}, "http.listen: can be reached from other machines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := smallest
			if tt.edit[0] != "" {
				if !strings.Contains(text, tt.edit[0]) {
					t.Fatalf("%s is not in the file", tt.edit[0])
				}
				text = strings.Replace(text, tt.edit[0], tt.edit[1], 1)
			}
			c, err := load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range c.Warnings {
				got = append(got, w.Path+": "+w.Text)
				if strings.Contains(w.Error(), "hush") || w.Line == 0 {
					t.Errorf("bad warning %v", w)
				}
			}
			if all := strings.Join(got, "\n"); !strings.HasPrefix(all, tt.want) || (tt.want == "") != (all == "") || len(got) > 1 {
				t.Errorf("got %q, want %q", all, tt.want)
			}
		})
	}
}

// A file that holds a secret should not be open to others, nor any file
// writable by them.
func TestWarningsOfMode(t *testing.T) {
	literal := strings.Replace(smallest, `"${MARKETO_SECRET_KEY}"`, "hush", 1)
	tests := []struct {
		text string
		mode os.FileMode
		want string
	}{
		{literal, 0o644, "holds secrets and has mode 0644, so that others can read them"},
		{smallest, 0o644, ""},
		{smallest, 0o620, "has mode 0620, so that others can change it"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "cdcsync.yaml")
		write(t, path, tt.text, tt.mode)
		c, err := config.Load(path, environment)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, w := range c.Warnings {
			if w.Path == "" {
				got += w.Text
			}
		}
		if !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("mode %o: got %q, want %q", tt.mode, got, tt.want)
		}
	}
}

func TestSourceFromEnvironment(t *testing.T) {
	text := strings.Replace(smallest, `source: {url: "${DATABASE_URL}"}`, "", 1)
	path := filepath.Join(t.TempDir(), "cdcsync.yaml")
	write(t, path, text, 0o600)
	c, err := config.Load(path, func(name string) (string, bool) {
		if name == "PGHOST" {
			return "localhost", true
		}
		return environment(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Source.URL.IsSet() {
		t.Error("got a URL out of nothing")
	}
}

func TestRESTEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"https://123-ABC-456.mktorest.com":       "https://123-ABC-456.mktorest.com",
		"https://123-ABC-456.mktorest.com/":      "https://123-ABC-456.mktorest.com",
		"https://123-ABC-456.mktorest.com/rest":  "https://123-ABC-456.mktorest.com",
		"https://123-ABC-456.mktorest.com/rest/": "https://123-ABC-456.mktorest.com",
		"https://gateway.example.com/m/rest":     "https://gateway.example.com/m",
	} {
		c, err := load(t, `
source: {url: "${DATABASE_URL}"}
marketo: {rest: {endpoint: "`+in+`", client_id: c, client_secret: "${MARKETO_CLIENT_SECRET}"}}
mappings: [{table: visits, object: RoadShow, key: {rid: id}}]
`)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Marketo.REST.Endpoint; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
