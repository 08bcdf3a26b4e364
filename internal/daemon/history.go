package daemon

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// remember looks at the current life every ten seconds, and keeps for charts what
// it sees, over reloads too. It asks what every scrape asks, and asks the server of
// the database nothing.
func (h *house) remember(ctx context.Context) {
	tick := time.NewTicker(snapshot.HistoryEvery)
	defer tick.Stop()
	for {
		h.lookOnce(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *house) lookOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	l := h.current.Load()
	if report, err := l.Report(ctx); err == nil {
		h.record.Add(snapshot.Of(report, l.settings(), time.Now()))
	}
}
