package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
)

// session returns the commands of docs/simulator.md, "With the example".
func session(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "## With the example")
	_, text, _ = strings.Cut(text, "```sh\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("docs/simulator.md has no session")
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

// The session of the documentation is run as it stands, with the example as it
// stands; only ports and directories are the test's own.
func TestExampleWithTheSimulator(t *testing.T) {
	pg := clustertest.Start(t, cluster.Options{})
	example, err := os.ReadFile(filepath.Join("..", "..", "config.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(example), "cdcsync simulate --dedupe RoadShow=rid\n") {
		t.Error("the example names another command than docs/simulator.md")
	}
	directory := t.TempDir()
	text := strings.Replace(string(example), "listen: 127.0.0.1:9640", "listen: 127.0.0.1:0", 1)
	if err := os.WriteFile(filepath.Join(directory, "config.example.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"DATABASE_URL=" + pg.URL("postgres")}
	simulator := ""
	for _, line := range session(t) {
		switch words := strings.Fields(line); {
		case words[0] == "psql":
			sql, _, _ := strings.Cut(line[strings.Index(line, `-c "`)+4:], `"`)
			if err := pg.Exec(t.Context(), "postgres", sql); err != nil {
				t.Fatal(err)
			}
		case words[0] == "export":
			for _, v := range words[1:] {
				env = append(env, strings.ReplaceAll(v, "http://127.0.0.1:9650", simulator))
			}
		case words[0] == "cdcsync" && words[len(words)-1] == "&":
			args := words[1 : len(words)-1]
			if words[1] == "simulate" {
				args = append(args, "--listen", "127.0.0.1:0")
			}
			cmd, out := cdcsync(t, env, args...)
			cmd.Dir = directory
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil {
					t.Errorf("%s: %v, of:\n%s", line, err, out)
				}
			})
			if words[1] == "simulate" {
				appears(t, out, "Make the next")
				simulator = regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
			} else {
				appears(t, out, "streaming")
			}
		case words[0] == "cdcsync":
			cmd, out := cdcsync(t, env, words[1:]...)
			cmd.Dir = directory
			if code := finish(t, cmd); code != 0 || strings.Contains(out.String(), "no such field") {
				t.Errorf("%s: exit code %d, want 0, of:\n%s", line, code, out)
			}
			wantLines(t, out.String(), "a type that the simulator learns")
		case words[0] == "curl":
			awaitObject(t, strings.ReplaceAll(words[1], "http://127.0.0.1:9650", simulator), `"Berlin"`)
		default:
			t.Errorf("what is %q?", line)
		}
	}
}

// awaitObject waits until the answer of url has text.
func awaitObject(t *testing.T, url, text string) {
	t.Helper()
	var body []byte
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		reply, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err = io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if err == nil && strings.Contains(string(body), text) {
			return
		}
	}
	t.Errorf("no %s in %s", text, body)
}
