package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/failpoint"
)

// build compiles the program that passes failure points.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dying")
	args := append(append([]string{"build", "-o", path}, flags...), "./testdata/dying")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// run runs the program and returns what it printed, and its exit code: -1
// when a signal ended it.
func run(t *testing.T, path string, env ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestWithoutTagNothingHappens(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	out, code := run(t, build(t), failpoint.Variable+"=loop.end:1", failpoint.RecordVariable+"="+record)
	if !strings.HasSuffix(out, "done\n") || code != 0 {
		t.Errorf("printed %q, exit code %d; want all of it and 0", out, code)
	}
	if _, err := os.Stat(record); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("record: %v, want none", err)
	}
}

func TestWithTag(t *testing.T) {
	path := build(t, "-tags", "failpoints")
	for _, tt := range []struct {
		name, value, out string
		code             int
	}{
		{"no point", "", "in 1\nin 2\nin 3\ndone\n", 0},
		{"first hit", "loop.begin:1", "", -1},
		{"second hit", "loop.begin:2", "in 1\n", -1},
		{"last hit", "loop.end:3", "in 1\nin 2\nin 3\n", -1},
		{"never hit", "loop.end:4", "in 1\nin 2\nin 3\ndone\n", 0},
		{"other point", "loop:1", "in 1\nin 2\nin 3\ndone\n", 0},
		{"no number", "loop.end", "failpoint: CDCSYNC_FAILPOINT is \"loop.end\"; write NAME:N with N from 1\n", 2},
		{"zero", "loop.end:0", "failpoint: CDCSYNC_FAILPOINT is \"loop.end:0\"; write NAME:N with N from 1\n", 2},
		{"no name", ":1", "failpoint: CDCSYNC_FAILPOINT is \":1\"; write NAME:N with N from 1\n", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, code := run(t, path, failpoint.Variable+"="+tt.value)
			if out != tt.out || code != tt.code {
				t.Errorf("printed %q, exit code %d; want %q, %d", out, code, tt.out, tt.code)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	path := build(t, "-tags", "failpoints")
	record := filepath.Join(t.TempDir(), "record")
	run(t, path, failpoint.Variable+"=loop.end:2", failpoint.RecordVariable+"="+record)
	got, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	want := "loop.begin 1\nloop.end 1\nloop.begin 2\nloop.end 2\n"
	if string(got) != want {
		t.Errorf("recorded %q, want %q", got, want)
	}

	if out, code := run(t, path, failpoint.RecordVariable+"="+t.TempDir()); code != 2 {
		t.Errorf("a record that cannot be written: printed %q, exit code %d, want 2", out, code)
	}
}
