// Package acceptance tests the program as its users run it: built once,
// started as a process of its own against a real PostgreSQL server, with the
// simulator as its Marketo over HTTP.
//
// What it proves, it proves from outside: from the simulator's call log and
// histories, from the slot on the server, and from the transactions as a
// second slot has them. It asks nothing of the program's own word but its
// exit code, its log and its HTTP endpoints.
//
// A run takes some minutes. With -long the outage takes its three real
// minutes and each API gets its fifty kills. Without PostgreSQL's server
// programs the package skips everything.
package acceptance_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
)

var long = flag.Bool("long", os.Getenv("CDCSYNC_LONG") != "", "take the full outage and all kills; also CDCSYNC_LONG=1")

// server is the cluster of all tests that do not stop theirs, nil without
// PostgreSQL; program is what tests run, static the program as it is released.
var (
	server  *cluster.Cluster
	program string
	static  string
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if _, err := cluster.Find(); errors.Is(err, cluster.ErrNotInstalled) {
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "cdcsync-acceptance-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := buildAll(dir); err != nil {
		return 1, err
	}
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		return 1, err
	}
	if err := openPlaces(); err != nil {
		return 1, err
	}
	server, err = cluster.Start(context.Background(), cluster.Options{Settings: roomy})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, server.Close(), closeNewest()) }()
	return m.Run(), nil
}

// roomy has a server that tests share take all of them at once.
var roomy = map[string]string{"max_connections": "300", "max_replication_slots": "150", "max_wal_senders": "150"}

// raceOptions has a program that raced end so that the test fails. By default
// each program would also sleep for a second before its end.
const raceOptions = "halt_on_error=0 exitcode=66 atexit_sleep_ms=20"

// buildAll builds the program as it is released, and with the race detector
// where the tests run under it.
func buildAll(dir string) error {
	static = filepath.Join(dir, "cdcsync")
	program = static
	if err := build(static, "CGO_ENABLED=0"); err != nil || !underRace {
		return err
	}
	program = filepath.Join(dir, "cdcsync-race")
	return build(program, "CGO_ENABLED=1", "-race")
}

func build(output, cgo string, flags ...string) error {
	args := append([]string{"build", "-o", output}, flags...)
	cmd := exec.Command("go", append(args, "github.com/cdcsync/cdcsync/cmd/cdcsync")...)
	cmd.Env = append(os.Environ(), cgo)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, said.String())
	}
	return nil
}

// needServer skips a test on a machine without PostgreSQL.
func needServer(t *testing.T) {
	t.Helper()
	if server == nil {
		t.Skip(cluster.ErrNotInstalled)
	}
}

// ownServer starts a cluster that the test may stop.
func ownServer(t *testing.T, settings map[string]string) *cluster.Cluster {
	t.Helper()
	return versionServer(t, 0, settings)
}
