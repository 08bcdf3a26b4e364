package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// contender is one way to read a backlog.
type contender struct {
	name string
	// api is what it posts over; "" when it posts nothing.
	api string
	// ours is set for cdcsync itself, which goes on until it is stopped; before
	// for another release of it.
	ours, before bool
	// copies is set for one that reads tables and not the stream.
	copies bool
}

var contenders = []contender{
	{name: "pg_recvlogical"},
	{name: "receive"},
	{name: "post-soap", api: "soap"},
	{name: "post-rest", api: "rest"},
	{name: "copy-soap", api: "soap", copies: true},
	{name: "copy-rest", api: "rest", copies: true},
	{name: "cdcsync-soap", api: "soap", ours: true},
	{name: "cdcsync-rest", api: "rest", ours: true},
	{name: "before-soap", api: "soap", ours: true, before: true},
	{name: "before-rest", api: "rest", ours: true, before: true},
}

func contenderNames() []string {
	var names []string
	for _, c := range contenders {
		names = append(names, c.name)
	}
	return names
}

// stage is what all runs share.
type stage struct {
	options
	dir      string
	database *database
	sink     *sinkProcess
	runs     int
	// address is where the daemon of the last run answers.
	address string
}

// setting is what one run of a contender has to know.
type setting struct {
	workload
	slot string
	end  pglsn
	// delivery and limits are lines of the daemon's configuration; "" means
	// the defaults, and no limits but concurrency.
	delivery, limits string
}

// command makes the process of a contender.
func (s *stage) command(ctx context.Context, c contender, set setting) (*exec.Cmd, error) {
	switch {
	case c.ours:
		return s.daemon(ctx, c, set)
	case c.name == "pg_recvlogical":
		return exec.CommandContext(ctx, clientProgram(s.database.bin, "pg_recvlogical"),
			"--dbname="+s.database.url, "--slot="+set.slot, "--start", "--endpos="+set.end.String(), "--file=/dev/null",
			"--option=proto_version=1", "--option=publication_names="+set.name), nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if c.copies {
		return exec.CommandContext(ctx, self, modeBare, "-url", s.database.url, "-copy", set.table(0), "-object", set.object(0),
			"-api", c.api, "-sink", s.sink.url, "-concurrency", fmt.Sprint(s.concurrency)), nil
	}
	return exec.CommandContext(ctx, self, modeBare, "-url", s.database.url, "-slot", set.slot, "-publication", set.name,
		"-end", set.end.String(), "-api", c.api, "-sink", s.sink.url, "-concurrency", fmt.Sprint(s.concurrency)), nil
}

// clientProgram finds a program that comes with the server programs in bin,
// which may be links to where it is; else it has to be on PATH.
func clientProgram(bin, name string) string {
	dirs := []string{bin}
	if real, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres")); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

// daemon makes the directory of a life of cdcsync: a configuration, and a
// state file that says that the slot is its own.
func (s *stage) daemon(ctx context.Context, c contender, set setting) (*exec.Cmd, error) {
	s.runs++
	dir := filepath.Join(s.dir, fmt.Sprintf("life-%d", s.runs))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.address, err = freeAddress(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "cdcsync.yaml")
	if err := os.WriteFile(file, []byte(s.configuration(c, set)), 0o600); err != nil {
		return nil, err
	}
	if err := s.identify(ctx, filepath.Join(dir, "cdcsync.db"), set); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "cdcsync.log"))
	if err != nil {
		return nil, err
	}
	binary := s.binary
	if c.before {
		if err := s.sameState(ctx, filepath.Join(dir, "cdcsync.db")); err != nil {
			return nil, err
		}
		binary = s.before
	}
	cmd := exec.CommandContext(ctx, binary, "run", "-c", file)
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd, nil
}

// freeAddress is one that nobody listens on now, with a port below those that
// systems hand out by themselves: one of those could be taken until it is used.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(12000+rand.IntN(16000))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// identify makes the state file of a slot that nothing was delivered from.
func (s *stage) identify(ctx context.Context, file string, set setting) error {
	source := &replication.Source{URL: s.database.url, Slot: set.slot, Publication: set.name}
	server, err := source.Inspect(ctx)
	if err != nil {
		return err
	}
	if server.Slot == nil {
		return fmt.Errorf("slot %s does not exist", set.slot)
	}
	store, err := sqlite.Open(ctx, file)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.Identify(ctx, checkpoint.Checkpoint{
		System: server.System, Timeline: server.Timeline, Database: server.Database, Slot: set.slot, LSN: server.Slot.Confirmed,
	})
}

// sameState takes a state file back to what the other release reads.
func (s *stage) sameState(ctx context.Context, file string) error {
	if s.beforeState == 0 {
		return nil
	}
	out, err := exec.CommandContext(ctx, s.binary, "state", "downgrade", "--to", strconv.Itoa(s.beforeState), file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("take the state file back for -before: %w: %s", err, out)
	}
	return nil
}

// configuration is the daemon's, with the defaults wherever it can have them.
func (s *stage) configuration(c contender, set setting) string {
	limits := set.limits
	if limits == "" {
		limits = fmt.Sprintf("{calls_per_20s: 0, concurrent_calls: %d, calls_per_day: 0}", s.concurrency)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "source: {url: '%s', slot: %s, publication: %s}\nmarketo:\n  limits: %s\n", s.database.url, set.slot, set.name, limits)
	if c.api == "soap" {
		fmt.Fprintf(&b, "  soap: {endpoint: '%s/soap/mktows/2_3', user_id: bench, secret_key: bench}\n", s.sink.url)
	} else {
		fmt.Fprintf(&b, "  rest: {endpoint: '%s', client_id: bench, client_secret: bench}\n", s.sink.url)
	}
	if set.delivery != "" {
		fmt.Fprintf(&b, "delivery: %s\n", set.delivery)
	}
	b.WriteString("state: sqlite:cdcsync.db\n")
	fmt.Fprintf(&b, "http: {listen: '%s'}\nmappings:\n", s.address)
	unsent := fmt.Sprintf("    backfill: %v\n", set.stored)
	if c.before && !set.stored {
		unsent = "" // it may not know the key
	}
	for i := range set.tables {
		fmt.Fprintf(&b, "  - table: public.%s\n    object: %s\n    key: {%s: id}\n%s    attributes:\n", set.table(i), set.object(i), keyField, unsent)
		for _, column := range set.columns() {
			fmt.Fprintf(&b, "      %s: %s\n", column, column)
		}
	}
	return b.String()
}
