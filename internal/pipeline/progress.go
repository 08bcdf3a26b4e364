package pipeline

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A transaction may take hours, and until its COMMIT no position moves. So it
// is told how far it has been read.

const (
	// progressEvery is after how many changes progress is noted.
	progressEvery = 1 << 10
	// tellEvery is how often the log tells of a transaction that goes on.
	tellEvery = time.Minute
)

// progress is how far the transaction at hand has been read; none where Since
// is zero.
type progress struct {
	mu   sync.Mutex
	open delivery.Transaction
	told time.Time
}

func (p *progress) begin(now time.Time, m *pgoutput.Begin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = delivery.Transaction{XID: m.XID, Commit: m.Final, Committed: m.Time, Since: now}
	p.told = now
}

func (p *progress) note(changes uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open.Changes = max(p.open.Changes, changes)
}

// current returns the transaction at hand.
func (p *progress) current() delivery.Transaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// tell logs a transaction that goes on, unless that was done a moment ago.
func (p *progress) tell(now time.Time, log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open.Since.IsZero() || now.Sub(p.told) < tellEvery {
		return
	}
	p.told = now
	log.Info("large transaction goes on", about(p.open, now)...)
}

// end logs the end of a transaction that was told of.
func (p *progress) end(now time.Time, changes uint64, log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told.After(p.open.Since) {
		p.open.Changes = max(p.open.Changes, changes)
		log.Info("large transaction was read to its end", about(p.open, now)...)
	}
	p.open = delivery.Transaction{}
}

func about(t delivery.Transaction, now time.Time) []any {
	return []any{"commit", t.Commit, "committed", t.Committed, "changes", t.Changes, "for", now.Sub(t.Since).Round(time.Second)}
}

// tellProgress logs how far a large transaction has been read, once a minute.
func (r *reader) tellProgress(life, stop <-chan struct{}) {
	every := time.NewTicker(tellEvery / 10)
	defer every.Stop()
	for {
		select {
		case now := <-every.C:
			r.progress.tell(now, r.runner.Log)
		case <-stop:
			return
		case <-life:
			return
		}
	}
}
