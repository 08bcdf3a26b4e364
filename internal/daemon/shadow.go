package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/boot"
	"github.com/cdcsync/cdcsync/internal/checkpoint/confirmed"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
	"github.com/cdcsync/cdcsync/internal/shadow"
)

const (
	// shadowEvery is how often the log tells what was seen so far.
	shadowEvery = time.Minute
	// shadowCleanup bounds what is taken away at the end.
	shadowCleanup = 10 * time.Second
)

// Shadow is a life that does everything but send: it reads from a slot of its own
// that goes with its connection, and leaves slot, state file and Marketo alone.
type Shadow struct {
	*Daemon
	// For is how long it watches; zero until its context ends. Latency is how long a
	// call is taken to last.
	For, Latency time.Duration

	client     *shadow.Client
	runner     *pipeline.Runner
	statistics rowread.Statistics
	began      time.Time
	last       atomic.Pointer[shadow.Estimate]
}

// Run watches, and returns what a day would cost. What ended it before its time is
// in the estimate, unless nothing was seen.
func (s *Shadow) Run(ctx context.Context) (e shadow.Estimate, err error) {
	source, err := s.source()
	if err != nil {
		return e, err
	}
	real, err := Client(s.Config.Marketo, nil)
	if err != nil {
		return e, err
	}
	s.client = shadow.NewClient(real.Capacity(), s.Latency)
	x, err := Examine(ctx, s.Config, source, Known{})
	if err = cmp.Or(err, x.SourceErr, x.TablesErr); err != nil {
		return e, err
	}
	if err := preflight.Failed(x.Source.Findings); err != nil {
		return e, err
	}
	s.setHolders(x)
	described := Described(s.Config)
	for i := range s.Config.Set.Len() {
		if d, known := described[s.Config.Set.Definition(i).Object]; known {
			s.Config.Set.Describe(i, d)
		}
	}
	if x.Server.Publication == nil {
		if err := source.CreatePublication(ctx, s.Config.Set.TableNames()); err != nil {
			return e, err
		}
		s.Log.Info("publication created, until the end of the shadow run", "publication", source.Publication)
		defer s.dropPublication(ctx, source)
	}
	if s.statistics, err = s.count(ctx, source); err != nil {
		return e, err
	}
	told := s.tellHoldUps(ctx, source)
	lsn, err := source.CreateTemporarySlot(ctx)
	told()
	if err != nil {
		return e, err
	}
	defer source.Release(context.WithoutCancel(ctx))
	s.Log.Info("shadow run: nothing is sent, and nothing is kept", "slot", source.Slot, "lsn", lsn, "for", s.For)
	return s.watch(ctx, source, x, lsn)
}

// source is the configured one with a slot of its own.
func (s *Shadow) source() (*replication.Source, error) {
	source, err := Source(s.Config.Source)
	if err != nil {
		return nil, err
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // it cannot fail
	source.Slot = "cdcsync_shadow_" + hex.EncodeToString(random[:])
	source.Needs = func(table catalog.TableName, column string) bool {
		return s.Config.Set.Needs(mapping.Table(table), column)
	}
	source.PublishNeeded = s.Config.Source.PublishMapped
	return source, nil
}

// dropPublication takes away what was made for the run, unless somebody else has come
// to need it.
func (s *Shadow) dropPublication(ctx context.Context, source *replication.Source) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shadowCleanup)
	defer cancel()
	if err := dropUnused(ctx, source); err != nil {
		s.Log.Warn("the publication that the shadow run made is still there", "publication", source.Publication, "err", err)
	}
}

func dropUnused(ctx context.Context, source *replication.Source) error {
	session, err := source.Catalog(ctx)
	if err != nil {
		return err
	}
	defer session.Close(context.WithoutCancel(ctx))
	users, err := session.OtherUsers(ctx, source.Slot)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fmt.Errorf("slot %s may read by it", strings.Join(users, ", "))
	}
	return source.DropPublication(ctx)
}

// count reads PostgreSQL's statistics.
func (s *Shadow) count(ctx context.Context, source *replication.Source) (rowread.Statistics, error) {
	session, err := rowread.Open(ctx, source)
	if err != nil {
		return rowread.Statistics{}, err
	}
	defer session.Close(context.WithoutCancel(ctx))
	return session.CountChanges(ctx, s.Config.Set.TableNames())
}

// watch runs the pipeline for its time.
func (s *Shadow) watch(ctx context.Context, source *replication.Source, x Examination, lsn pgoutput.LSN) (shadow.Estimate, error) {
	record, err := s.record()
	if err != nil {
		return shadow.Estimate{}, err
	}
	if record != nil {
		defer record.remove()
	}
	config := s.delivery(s.client.Capacity())
	config.Limits.CallsPerDay, config.MaxDeletes = 0, 0 // what is needed is to be known
	config.MaxParked = max(config.MaxParked, 1_000_000)
	s.runner = &pipeline.Runner{
		Source: source, Mappings: s.Config.Set, Client: s.client, Store: shadow.Store{},
		State: checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{
			System: x.Server.System, Timeline: x.Server.Timeline, Database: x.Server.Database, Slot: source.Slot, LSN: lsn,
		}},
		Identities: x.Tables.Identities(), Config: config, ShutdownTimeout: shadowCleanup, ConfigFile: s.Config.File, Log: s.Log,
	}
	if record != nil {
		s.runner.Record, s.runner.Config.Digest = &record.Record, record.Digest
	}
	s.began = time.Now()
	// It lives until the estimate was taken: one that was interrupted has one, too.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer end()
	beside.Go(func() { s.serve(alive) })
	beside.Go(func() { s.tell(alive) })
	done := make(chan error, 1)
	go func() { done <- s.runner.Run(alive) }()
	var over <-chan time.Time
	if s.For > 0 {
		over = time.After(s.For)
	}
	select {
	case err := <-done:
		return s.endedBy(errors.Join(err, ctx.Err()))
	case <-over:
	case <-ctx.Done():
	}
	// What still waits is sent at the end: that is no part of the time that was watched.
	estimate, err := s.estimate(context.WithoutCancel(ctx))
	end()
	return estimate, errors.Join(err, <-done)
}

// endedBy is the estimate of a run that something has ended: by what was seen last.
func (s *Shadow) endedBy(cause error) (shadow.Estimate, error) {
	var refused *checkpoint.Refusal
	if errors.As(cause, &refused) {
		// Its remedies are those of a slot that is to stay.
		cause = errors.New("the connection to postgresql was lost, and with it the slot of the shadow run; start it again")
	}
	e := s.last.Load()
	if e == nil {
		return shadow.Estimate{}, cause
	}
	e.Ended = cause.Error()
	return *e, nil
}

// temporaryRecord is what is remembered of confirmed objects for as long as the run
// lasts: nothing at first.
type temporaryRecord struct {
	pipeline.Record
	dir string
}

func (s *Shadow) record() (*temporaryRecord, error) {
	if !s.Config.Delivery.SuppressUnchanged {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "cdcsync-shadow-")
	if err != nil {
		return nil, fmt.Errorf("remember objects: %w; set TMPDIR to a directory that can be written", err)
	}
	r, err := confirmed.Open(filepath.Join(dir, "confirmed"), "shadow", boot.ID())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &temporaryRecord{Record: pipeline.Record{Record: r}, dir: dir}, nil
}

func (r *temporaryRecord) remove() {
	_ = r.Close()           // nobody reads it again
	_ = os.RemoveAll(r.dir) // the system clears what is left there
}
