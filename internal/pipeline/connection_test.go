package pipeline

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// A lost connection must not look fresh for ever.
func TestFreshnessStaysWhereTheConnectionWasLost(t *testing.T) {
	r := &reader{runner: &Runner{Source: &replication.Source{Slot: "s"}, Log: slog.New(slog.DiscardHandler)}}
	report := func() delivery.Report { return delivery.Report{Source: r.status()} }
	now := time.Now
	r.disconnected(errors.New("refused"), 1)
	if got := report().Freshness(now()); !got.IsZero() {
		t.Errorf("never connected: got %s, want none", got)
	}
	r.connected(replication.Seen{End: 20}, 10)
	r.connection.received = 10
	r.disconnected(errors.New("reset"), 1)
	if got := report().Freshness(now()); !got.IsZero() {
		t.Errorf("lost before all was read: got %s, want none", got)
	}
	r.connected(replication.Seen{End: 20}, 10)
	r.connection.received = 20
	r.disconnected(errors.New("reset"), 1)
	lost := report().Freshness(now())
	if lost.IsZero() {
		t.Fatal("lost after all was read: got none, want when it was lost")
	}
	r.disconnected(errors.New("refused"), 2)
	if got := report().Freshness(now().Add(time.Hour)); !got.Equal(lost) {
		t.Errorf("an hour later: got %s, want %s", got, lost)
	}
	r.connected(replication.Seen{End: 30}, 20)
	if got := report().Freshness(now()); !got.Equal(lost) {
		t.Errorf("connected with more to read: got %s, want %s", got, lost)
	}
}
