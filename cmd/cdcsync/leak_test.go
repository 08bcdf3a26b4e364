package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/leak"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// wrong is a configuration with a connection string from a variable or file.
const wrong = `
source: {%s}
marketo: {rest: {endpoint: "http://127.0.0.1:1", client_id: c, client_secret: "${LEAK_SECRET}"}}
http: {listen: "127.0.0.1:0"}
mappings: [{table: visits, object: Visit, key: {id: id}}]
`

// Whatever the connection string is, check says nothing of the secret in it,
// nor does an error of the source.
func TestCheckShowsNoPartOfASecret(t *testing.T) {
	directory := t.TempDir()
	file, url := filepath.Join(directory, "cdcsync.yaml"), filepath.Join(directory, "url")
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 5))
		secret := leak.Secret(random)
		text := leak.ConnectionString(random, secret)
		t.Setenv("LEAK_URL", text)
		t.Setenv("LEAK_SECRET", secret)
		source := []string{`url: "${LEAK_URL}"`, "url_file: url", "url: " + strconv.Quote(strings.ReplaceAll(text, "$", "$$"))}[random.IntN(3)]
		for name, content := range map[string]string{file: fmt.Sprintf(wrong, source), url: text} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		flags := []string{"--offline"}
		if random.IntN(2) == 0 {
			flags = append(flags, "--json")
		}
		shown, _ := checkFile(t, file, flags...)
		s := &replication.Source{URL: text, Slot: "s", Publication: "p"}
		if err := s.Validate(); err != nil {
			_, err2 := s.Inspect(t.Context())
			shown += fmt.Sprintf("%v %+v %#v %v", err, err, err, err2)
		}
		if part := leak.Part(shown, secret); part != "" {
			t.Fatalf("seed %d: %q of %q is in:\n%s", seed, part, secret, shown)
		}
	}
}

// The password in the place of the report, and all that a running program
// prints: the exit code is 2, and nothing of it is shown.
func TestPasswordWithAnAt(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"check"}, {"check", "--json"}} {
		cmd, out := cdcsync(t, []string{"LEAK_URL=postgres://cdc:my@S3cretPassw0rd@host/db", "LEAK_SECRET=hush"}, append(args, "-c", "cdcsync.yaml")...)
		if err := os.WriteFile(filepath.Join(cmd.Dir, "cdcsync.yaml"), []byte(fmt.Sprintf(wrong, `url: "${LEAK_URL}"`)), 0o600); err != nil {
			t.Fatal(err)
		}
		if code := finish(t, cmd); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
		wantLines(t, out.String(), "encode @ as %40")
		for _, part := range []string{"S3cr", "Pass", "assw", "w0rd", "my@"} {
			if strings.Contains(out.String(), part) {
				t.Errorf("%v: %s is shown: %s", args, part, out)
			}
		}
	}
}
