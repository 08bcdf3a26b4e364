package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram has the test program be cdcsync, so that tests see exit codes,
// signals and streams as a shell does.
const asProgram = "CDCSYNC_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		_ = os.Unsetenv(asProgram)
		main()
		return
	}
	os.Exit(m.Run())
}

// output is what a program has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// cdcsync prepares the program with arguments. Its environment has nothing of
// PostgreSQL but what env says.
func cdcsync(t *testing.T, env []string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out output
	cmd := exec.Command(self, args...)
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	cmd.Dir = t.TempDir()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// With the race detector a program sleeps for a second before its end.
	cmd.Env = append(append(cmd.Env, asProgram+"=1", "GORACE=atexit_sleep_ms=20"), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// finish runs the program to its end and returns its exit code.
func finish(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// appears waits until the program has written text.
func appears(t *testing.T, out *output, text string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in:\n%s", text, out)
		}
	}
}

// Wrong usage ends with 2, says what may be meant, and where to read on.
func TestWrongUsage(t *testing.T) {
	tests := []struct {
		args string
		want []string
	}{
		{"chek", []string{`cdcsync has no command "chek"; did you mean "check"?; see cdcsync --help`}},
		{"xyzzy", []string{`cdcsync has no command "xyzzy"; see cdcsync --help`}},
		{"run foo", []string{`cdcsync run takes no argument, and got "foo"; a configuration is given with -c; see cdcsync run --help`}},
		{"check foo.yaml", []string{"a configuration is given with -c"}},
		{"status now", []string{"cdcsync status takes no argument"}},
		{"version 1", []string{"cdcsync version takes no argument"}},
		{"simulate 1", []string{"cdcsync simulate takes no argument"}},
		{"demo 1", []string{"cdcsync demo takes no argument"}},
		{"parked lst", []string{`cdcsync parked has no command "lst"; did you mean "list"?; see cdcsync parked --help`}},
		{"parked list all", []string{"cdcsync parked list takes no argument"}},
		{"parked show", []string{"cdcsync parked show takes one KEY, and got 0 arguments; see cdcsync parked show --help"}},
		{"help chek", []string{`there is no help on "chek"; did you mean "check"?; see cdcsync --help`}},
		{"help parked lst", []string{`there is no help on "lst"; did you mean "list"?; see cdcsync parked --help`}},
		{"completion bsh", []string{`cdcsync completion has no command "bsh"; did you mean "bash"?`}},
		{"completion bash x", []string{"see cdcsync completion bash --help"}},
		{"run --cofnig x", []string{`unknown flag: --cofnig; did you mean "--config"?; see cdcsync run --help`}},
		{"--jsn", []string{"unknown flag: --jsn; see cdcsync --help"}},
		{"check --ofline", []string{`did you mean "--offline"?`}},
		{"parked list --limt 3", []string{`did you mean "--limit"?`}},
		{"run -x", []string{"unknown shorthand flag: 'x' in -x; see cdcsync run --help"}},
		{"run -c", []string{"flag needs an argument: 'c' in -c; see cdcsync run --help"}},
		{"demo --rate many", []string{"see cdcsync demo --help"}},
		{"demo --api graphql", []string{"graphql"}},
		{"simulate --limits x", []string{"--limits"}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			cmd, out := cdcsync(t, nil, strings.Fields(tt.args)...)
			if code := finish(t, cmd); code != 2 {
				t.Errorf("exit code %d, want 2, of:\n%s", code, out)
			}
			wantLines(t, out.String(), tt.want...)
			if n := strings.Count(out.String(), "\n"); n != 1 {
				t.Errorf("%d lines, want one:\n%s", n, out)
			}
		})
	}
	for _, args := range []string{"", "--help", "help", "help check", "help parked list", "parked", "completion bash", "version"} {
		cmd, out := cdcsync(t, nil, strings.Fields(args)...)
		if code := finish(t, cmd); code != 0 {
			t.Errorf("%q: exit code %d, want 0, of:\n%s", args, code, out)
		}
	}
}

// serverless is a configuration that waits for a server for ever.
const serverless = `
source: {url: "postgres://cdc@127.0.0.1:1/shop"}
marketo: {rest: {endpoint: "http://127.0.0.1:1", client_id: c, client_secret: "${SECRET}"}}
http: {listen: "127.0.0.1:0"}
mappings: [{table: visits, object: Visit, key: {id: id}}]
`

// Nobody reads the log any longer: the end is in order all the same, and told.
func TestSignalsEndInOrder(t *testing.T) {
	for _, signals := range [][]syscall.Signal{
		{syscall.SIGTERM}, {syscall.SIGINT}, {syscall.SIGPIPE, syscall.SIGTERM}, {syscall.SIGHUP, syscall.SIGTERM},
	} {
		t.Run(signals[0].String(), func(t *testing.T) {
			t.Parallel()
			cmd, out := cdcsync(t, []string{"SECRET=hush"}, "run", "-c", "cdcsync.yaml")
			if err := os.WriteFile(filepath.Join(cmd.Dir, "cdcsync.yaml"), []byte(serverless), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			appears(t, out, "waiting for postgresql")
			for _, s := range signals {
				if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Fatal(err)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("ended with %v, want exit code 0, of:\n%s", err, out)
			}
			last := signals[len(signals)-1]
			wantLines(t, out.String(), `msg="ending in order" cause="signal: `+last.String()+`"`)
		})
	}
}
