package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/failpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

const (
	// maxHandedEntries and maxHandedBytes bound what is handed to the machine at
	// once.
	maxHandedEntries = 512
	maxHandedBytes   = 256 << 10

	// slowRetry is the shortest pause after an error that trying often makes
	// worse.
	slowRetry = 10 * time.Second
)

var entryBuffers = sync.Pool{New: func() any { return new([]delivery.Entry) }}

// reader reads the stream, maps it and hands it to the machine. It keeps its
// place in memory: after a broken connection it goes on behind what it has
// handed over, in the middle of a transaction if need be.
type reader struct {
	runner        *Runner
	reachedBefore checkpoint.Reached // what earlier lives reached
	// timeline is the one that positions are of, database the name of theirs.
	timeline int32
	database string
	entries  []delivery.Entry
	bytes    int
	writes   []mapping.Write
	// received is the end of what the machine has, or is about to get.
	received delivery.LSN
	// inside is set between BEGIN and COMMIT, final and seq tell the place in
	// the transaction; skip counts the changes that come for a second time.
	inside    bool
	final     delivery.LSN
	seq, skip uint64
	progress  progress

	// reading is full while messages of the stream are in use.
	reading    chan struct{}
	stream     atomic.Pointer[replication.Stream]
	connection connection
	rowCounts  []rowCount
	// haltReason is why reading is to halt, for a reason that is not in the stream;
	// nil for none.
	haltReason atomic.Pointer[string]
	stopOrder  atomic.Pointer[stopOrder]
	// left are mappings of which the machine takes nothing more; nil for none.
	left       atomic.Pointer[[]int]
	leavingOut leavingOut
	history    history
	// sameHistory is set while the server of the connection is known to have the
	// history that changes were delivered from. Until then it is told of no
	// position: one would move the slot of a copy, and what tells it from the
	// server would come no more.
	sameHistory atomic.Bool
	stops       stops
	// viaRoot is what the newest descriptions may have to do with each other.
	viaRoot viaRoot
	// beside is the backfill that the stream is followed for; nil for none.
	beside atomic.Pointer[beside]
	// described holds the newest description of every relation.
	described map[uint32]*pgoutput.Relation
}

// rowCount counts the row changes of one mapping by operation, and those that
// asked for no write.
type rowCount struct {
	operations    [3]atomic.Uint64
	filtered      atomic.Uint64
	withoutOldKey atomic.Uint64
}

func newReader(r *Runner) *reader {
	return &reader{
		history: history{latest: latestOf(&r.State, r.Source)},
		runner:  r, reachedBefore: r.State.Reached(), timeline: r.State.Checkpoint.Timeline, database: r.State.Checkpoint.Database, received: r.State.Checkpoint.LSN, reading: make(chan struct{}, 1),
		rowCounts:  make([]rowCount, r.Mappings.Len()),
		described:  make(map[uint32]*pgoutput.Relation),
		leavingOut: leavingOut{transaction: r.PassOver, unmapped: make(map[*pgoutput.Relation]unmapped)},
	}
}

// run reads until stop, over as many connections as it takes. It returns an
// error only when going on would lose data.
func (r *reader) run(life context.Context, stop <-chan struct{}) error {
	for failures := 0; ; {
		began, before := time.Now(), r.received
		err := r.session(life, stop)
		if life.Err() != nil || ended(stop) || errors.Is(err, errStopped) {
			return nil
		}
		if errors.Is(err, errHalted) {
			return r.holdSlot(life, stop)
		}
		if errors.Is(err, errProven) {
			continue
		}
		skipped, skipErr := r.skipUndecoded(life, err)
		if !skipped && skipErr == nil {
			skipped, skipErr = r.skipUnpublished(life, err)
		}
		if skipped {
			continue
		}
		if skipErr != nil {
			err = skipErr
		}
		if err = r.nameUnpublished(err); ends(err) {
			return err
		}
		failures = countFailure(failures, r.received > before, time.Since(began))
		err = r.nameUndecodable(err)
		r.disconnected(err, failures)
		if !r.wait(life, stop, pause(err, failures)) {
			return nil
		}
	}
}

// ends reports whether err ends the run: going on would lose data, or what is
// settled could not be kept.
func ends(err error) bool {
	var refused *checkpoint.Refusal
	return errors.As(err, &refused) || errors.Is(err, checkpoint.ErrClosed) || replication.Classify(err) == replication.Fatal
}

// nameUndecodable names the transaction that the server could not decode.
func (r *reader) nameUndecodable(err error) error {
	if replication.Diagnose(err) != replication.Decoding || !r.inside {
		return err
	}
	return fmt.Errorf("postgresql cannot send a change of the transaction that commits at %s; to leave out what it cannot send, start once with: %s: %w",
		r.final, checkpoint.Transaction(r.final).Command(r.runner.ConfigFile), err)
}

// errStopped ends a session because Run is ending.
var errStopped = errors.New("stopped")

// session reads over one connection.
func (r *reader) session(life context.Context, stop <-chan struct{}) error {
	stream, err := r.connect(life)
	if err != nil {
		return err
	}
	select {
	case r.reading <- struct{}{}:
	case <-life.Done():
		return errStopped
	}
	err = r.read(life, stop, stream)
	r.loseBeside()
	<-r.reading
	if errors.Is(err, replication.ErrClosed) {
		// It is closing: a last status may still have to be written.
		return errStopped
	}
	if errors.Is(err, errStopped) || errors.Is(err, errHalted) {
		// The stream stays open: it keeps the server content until the end.
		return err
	}
	r.drop(stream)
	return err
}

func ended(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// connect holds the server's state against the checkpoint and starts to
// stream behind what was received, over the connection that has looked.
func (r *reader) connect(life context.Context) (*replication.Stream, error) {
	approach, err := r.runner.Source.Approach(life)
	if err != nil {
		return nil, err
	}
	seen := approach.Seen()
	ck, err := r.resume(life, approach, seen)
	if err != nil {
		approach.Close(life)
		return nil, err
	}
	from := r.beginHistory(max(r.received, ck), seen.Slot.Confirmed)
	stream, err := approach.Stream(life, from)
	if err != nil {
		return nil, err
	}
	r.stream.Store(stream)
	r.acknowledgeSynced()
	r.connected(seen, from)
	return stream, nil
}

// resume holds what is seen of the server against what is known of the position,
// and returns the checkpoint.
func (r *reader) resume(life context.Context, approach *replication.Approach, seen replication.Seen) (delivery.LSN, error) {
	ck := *r.runner.State.Checkpoint
	ck.LSN, ck.Timeline, ck.Database = delivery.LSN(r.runner.acknowledged.Load()), r.timeline, r.database
	decision, server, err := Decide(life, r.runner.Source, seen, approach, &ck, r.reached())
	if err != nil {
		return 0, err
	}
	r.history.server, r.history.ck = server, ck
	if decision.Refusal != nil {
		return 0, decision.At(r.runner.StateFile, r.runner.ConfigFile).Refusal
	}
	if decision.Action == checkpoint.Wait {
		return 0, &replication.Error{Reason: replication.SlotWait, Err: errors.New(decision.Warning)}
	}
	if seen.Timeline != ck.Timeline || seen.Database != ck.Database {
		if err := r.runner.Store.Save(life, checkpoint.Save{Follow: &checkpoint.Following{Timeline: seen.Timeline, Database: seen.Database}, Sync: true}); err != nil {
			return 0, err
		}
		r.timeline, r.database = seen.Timeline, seen.Database
	}
	if decision.Warning != "" {
		r.runner.Log.Warn("replication slot", "warning", decision.Warning)
	}
	return ck.LSN, nil
}

// reached is how far changes have come beside the checkpoint: in this life all
// of them through this reader, in earlier ones as the store tells.
func (r *reader) reached() checkpoint.Reached {
	reached := r.reachedBefore
	reached.Received = r.received
	if r.inside {
		reached.Received = r.final + 1
	}
	return reached
}

// cameTo returns starts of commit records of which changes have come.
func (r *reader) cameTo() []delivery.LSN {
	came := []delivery.LSN{r.reachedBefore.Sent, r.reachedBefore.Settled}
	if r.inside {
		came = append(came, r.final)
	}
	return came
}

// acknowledgeSynced passes the durable checkpoint of this life on to the server,
// once that is known to be the one. What was only saved, not synced, must not be
// acknowledged: the position at start may be of that kind.
func (r *reader) acknowledgeSynced() {
	if s := r.stream.Load(); s != nil && r.sameHistory.Load() {
		s.Acknowledge(delivery.LSN(r.runner.synced.Load()))
	}
}

// close ends the connection after a last status. What the stream still brings
// is passed over, once nobody uses what it brought before.
func (r *reader) close(ctx context.Context) {
	s := r.stream.Load()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s.Leave()
	select {
	case r.reading <- struct{}{}:
		s.Close(ctx)
	case <-ctx.Done():
		s.Abort()
	}
}

// read handles messages until the connection breaks. What it has is handed
// over whenever reading on would wait.
func (r *reader) read(life context.Context, stop <-chan struct{}, stream *replication.Stream) error {
	for {
		if len(r.entries) >= maxHandedEntries || r.bytes >= maxHandedBytes || len(r.entries) > 0 && !stream.Buffered() {
			if err := r.handOver(life, stop, stream); err != nil {
				return err
			}
		}
		message, err := stream.Next()
		if err != nil {
			return err
		}
		failpoint.Hit("stream.after_receive")
		if reason := r.haltReason.Load(); reason != nil {
			return r.halt(*reason)
		}
		if err := r.dispatch(life, stream, message); err != nil {
			return err
		}
		if r.beside.Load() == nil {
			continue
		}
		if err := r.followBeside(life, stop, stream, message); err != nil {
			return err
		}
	}
}
