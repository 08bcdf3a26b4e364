package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// stage is everything that runs: the directory, PostgreSQL, the simulator and
// the daemon.
type stage struct {
	keep bool
	dir  string

	postgres *cluster.Cluster
	database string // connection string of the shop
	version  string // of the server

	marketo    *simulator.Simulator
	marketoURL string
	server     *http.Server
	served     chan error

	config  *config.Config
	log     *os.File
	notices *notices
	daemon  *daemon.Daemon
	// stopDaemon asks the daemon to end; ended has its error once it has.
	stopDaemon context.CancelFunc
	ended      chan error
}

// build sets everything up and waits until the daemon streams. The stage has
// to be closed, error or not.
func build(ctx context.Context, enough <-chan struct{}, o Options) (*stage, error) {
	building, done := context.WithCancel(ctx)
	defer done()
	finished := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-enough:
			done()
		case <-finished:
		}
	}()
	defer func() { close(finished); <-watching }()

	s := &stage{keep: o.Keep}
	for _, step := range []struct {
		what string
		do   func(context.Context, Options) error
	}{
		{"make a directory", s.makeDir},
		{"start postgresql", s.startPostgres},
		{"start the simulator", s.startMarketo},
		{"configure", s.configure},
		{"start the daemon", func(building context.Context, o Options) error {
			s.startDaemon(ctx, o)
			return s.awaitStream(building)
		}},
	} {
		if err := step.do(building, o); err != nil {
			return s, fmt.Errorf("demo: %s: %w", step.what, err)
		}
	}
	return s, nil
}

// makeDir makes the directory of this run. PostgreSQL, which may run as
// another user, has to pass through it; the files in it are ours alone.
func (s *stage) makeDir(context.Context, Options) error {
	dir, err := os.MkdirTemp("", "cdcsync-demo-")
	if err != nil {
		return err
	}
	s.dir = dir
	return os.Chmod(dir, 0o711)
}

func (s *stage) startPostgres(ctx context.Context, _ Options) error {
	pg, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(s.dir, "postgresql"), Settings: map[string]string{"max_slot_wal_keep_size": "2GB"}})
	if err != nil {
		return err
	}
	s.postgres = pg
	if s.database, err = pg.NewDatabase(ctx, "shop"); err != nil {
		return err
	}
	if err := pg.Exec(ctx, "shop", schema); err != nil {
		return fmt.Errorf("make the shop's tables: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, "SELECT split_part(current_setting('server_version'), ' ', 1)").Scan(&s.version)
}

func (s *stage) startMarketo(ctx context.Context, o Options) error {
	sim, err := newSimulator(o)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.marketo = sim
	s.marketoURL = "http://" + listener.Addr().String()
	s.server = &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan error, 1)
	go func() { s.served <- s.server.Serve(listener) }()
	return nil
}

func (s *stage) configure(ctx context.Context, o Options) error {
	listen, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	s.config, err = writeConfig(s.dir, place{
		Database: s.database, Marketo: s.marketoURL, Listen: listen,
		API: o.API, Timeout: timeout(o), RealLimits: o.RealLimits,
	})
	if err != nil {
		return err
	}
	s.log, err = os.OpenFile(filepath.Join(s.dir, "cdcsync.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// freeAddress returns an address that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// startDaemon runs the daemon on a goroutine that close waits for.
func (s *stage) startDaemon(ctx context.Context, o Options) {
	s.notices = &notices{}
	log := slog.New(&noticing{Handler: slog.NewTextHandler(s.log, nil), to: s.notices})
	s.daemon = &daemon.Daemon{Config: s.config, Log: log, Version: o.Version}
	life, stop := context.WithCancel(ctx)
	s.stopDaemon = stop
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.daemon.Run(life) }()
}

// streamWait is the longest the daemon may take to start.
const streamWait = 30 * time.Second

// awaitStream waits until the daemon reads the stream: changes before that
// would be older than its slot.
func (s *stage) awaitStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		report, err := s.daemon.Report(ctx)
		if err == nil && report.Source.Connected {
			return nil
		}
		select {
		case err := <-s.ended:
			return s.endedEarly(err)
		case <-ctx.Done():
			return fmt.Errorf("it does not stream: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// endedEarly is the error of a daemon that nobody asked to end. It has been
// told then: close does not tell it again.
func (s *stage) endedEarly(err error) error {
	s.ended <- nil
	if err == nil {
		err = errors.New("it gave no reason")
	}
	return fmt.Errorf("the daemon ended: %w", err)
}

// stop ends the daemon in order and returns its error.
func (s *stage) stop() error {
	s.stopDaemon()
	err := <-s.ended
	s.ended <- nil // for close
	return err
}

// serverStop bounds the end of the simulator's open calls.
const serverStop = 5 * time.Second

// close ends everything that still runs, whatever its state, and removes the
// directory.
func (s *stage) close() error {
	var errs []error
	if s.stopDaemon != nil {
		errs = append(errs, s.stop())
	}
	if s.server != nil {
		s.marketo.Close()
		ctx, cancel := context.WithTimeout(context.Background(), serverStop)
		if err := s.server.Shutdown(ctx); err != nil {
			errs = append(errs, s.server.Close())
		}
		cancel()
		if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.dir != "" && !s.keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("demo: clean up: %w", err)
	}
	return nil
}
