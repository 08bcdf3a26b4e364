package demo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/demo"
	"github.com/cdcsync/cdcsync/internal/version"
)

// emptyTemp has temporary files made in a directory of the test's own, which
// also PostgreSQL's user can reach.
func emptyTemp(t *testing.T) string {
	t.Helper()
	if _, err := cluster.Find(); errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

// left returns what there is under a path with patterns.
func left(t *testing.T, path ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// small is a demo that takes a few seconds.
func small(api demo.API, out *strings.Builder) demo.Options {
	return demo.Options{API: api, Duration: 3 * time.Second, Rate: 300, Seed: 7, Latency: 20 * time.Millisecond, Outage: true, Version: version.Info{Version: "test"}, Out: out}
}

func TestRun(t *testing.T) {
	for _, api := range []demo.API{demo.SOAP, demo.REST} {
		t.Run(string(api), func(t *testing.T) {
			dir := emptyTemp(t)
			var out strings.Builder
			o := small(api, &out)
			o.Live = api == demo.REST
			if err := demo.Run(t.Context(), nil, o); err != nil {
				t.Errorf("run: %v, want nil", err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, " objects: all agree.") || strings.HasPrefix(last, "0 rows") {
				t.Errorf("the last line is %q, want it to say that all agree", last)
			}
			if live := strings.Contains(out.String(), "\x1b["); live != o.Live {
				t.Errorf("control sequences in the output: %v, want %v", live, o.Live)
			}
			if found := left(t, dir, "*"); found != nil {
				t.Errorf("left behind: %v", found)
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

// awaiting does something when a text is written for the first time.
type awaiting struct {
	out  *strings.Builder
	text string
	then func()
}

func (a *awaiting) Write(p []byte) (int, error) {
	if a.then != nil && strings.Contains(string(p), a.text) {
		a.then()
		a.then = nil
	}
	return a.out.Write(p)
}

// An end that is asked for early is followed by the comparison all the same.
func TestRunEndsEarly(t *testing.T) {
	dir := emptyTemp(t)
	var out strings.Builder
	o := small(demo.SOAP, &out)
	o.Duration, o.Keep = 0, true
	enough := make(chan struct{})
	o.Out = &awaiting{out: &out, text: "0 s  0 rows", then: func() { close(enough) }}
	err := demo.Run(t.Context(), enough, o)
	if err != nil || !strings.Contains(out.String(), "all agree.") {
		t.Errorf("run: %v, want nil and all in agreement:\n%s", err, out.String())
	}
	for _, name := range []string{"cdcsync.yaml", "mappings.yaml", "cdcsync.log", "cdcsync.db"} {
		if kept := left(t, dir, "cdcsync-demo-*", name); len(kept) != 1 {
			t.Errorf("%s: kept %v, want one", name, kept)
		}
	}
	if data := left(t, dir, "cdcsync-demo-*", "postgresql"); data != nil {
		t.Errorf("%v was not removed", data)
	}
}

// Interrupted while it is set up, it leaves nothing.
func TestRunInterrupted(t *testing.T) {
	dir := emptyTemp(t)
	var out strings.Builder
	enough := make(chan struct{})
	close(enough)
	if err := demo.Run(t.Context(), enough, small(demo.SOAP, &out)); !errors.Is(err, demo.ErrInterrupted) {
		t.Errorf("run: %v, want ErrInterrupted", err)
	}
	if found := left(t, dir, "*"); found != nil {
		t.Errorf("left behind: %v", found)
	}
}

func TestOptions(t *testing.T) {
	good := demo.Options{API: demo.REST, Rate: 1}
	if err := good.Check(); err != nil {
		t.Errorf("check: %v, want nil", err)
	}
	for name, spoil := range map[string]func(*demo.Options){
		"api":      func(o *demo.Options) { o.API = "bulk" },
		"rate":     func(o *demo.Options) { o.Rate = 0 },
		"duration": func(o *demo.Options) { o.Duration = -1 },
		"latency":  func(o *demo.Options) { o.Latency = -1 },
	} {
		o := good
		spoil(&o)
		if err := o.Check(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("check of a wrong %s: %v", name, err)
		}
		if err := demo.Run(t.Context(), nil, o); err == nil {
			t.Errorf("run with a wrong %s: nil", name)
		}
	}
}
