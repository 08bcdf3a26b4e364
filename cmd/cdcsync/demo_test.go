package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
)

func TestDemoUsage(t *testing.T) {
	for _, arguments := range [][]string{
		{"--api", "bulk"},
		{"--limits", "none"},
		{"--rate", "0"},
		{"--rate", "-5"},
		{"--duration", "-1s"},
		{"--latency", "-1s"},
	} {
		command := demoCommand()
		command.SetArgs(arguments)
		command.SilenceErrors, command.SilenceUsage = true, true
		if err := command.ExecuteContext(t.Context()); exitCode(err) != 2 {
			t.Errorf("demo %q: %v, exit code %d, want 2", arguments, err, exitCode(err))
		}
	}
}

func TestDemo(t *testing.T) {
	if _, err := cluster.Find(); errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	var out strings.Builder
	command := demoCommand()
	command.SetArgs([]string{"--duration", "1s", "--rate", "100", "--limits", "real", "--latency", "5ms"})
	command.SetOut(&out)
	if err := command.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), "all agree") {
		t.Errorf("demo: %v, want nil and all in agreement:\n%s", err, out.String())
	}
}

// The first signal leaves the context, the second ends it.
func TestUntilSecondSignal(t *testing.T) {
	first, cancel := context.WithCancel(t.Context())
	ctx, stop := untilSecondSignal(first)
	defer stop()
	cancel()
	if ctx.Err() != nil {
		t.Error("ended with the context that it outlives")
	}
	// Two of one kind that nobody has taken yet are one.
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if ctx.Err() != nil {
			t.Error("ended with the first signal")
		}
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("not ended with the second signal")
	}
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(&strings.Builder{}) {
		t.Error("a file or a buffer is taken for a terminal")
	}
}
