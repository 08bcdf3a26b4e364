package demo

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// notices holds what the daemon's log warned of until it is shown.
type notices struct {
	mu    sync.Mutex
	lines []string
}

func (n *notices) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

// take returns what came since the last take.
func (n *notices) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := n.lines
	n.lines = nil
	return lines
}

// longestNotice is what a glance takes; the log has the rest.
const longestNotice = 160

// noticing is a log handler that shows warnings and errors besides writing
// them.
type noticing struct {
	slog.Handler
	to   *notices
	with []slog.Attr
}

// Handle is part of slog.Handler.
func (h *noticing) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString("daemon: " + strings.ToLower(r.Level.String()) + ": " + r.Message)
		show := func(a slog.Attr) bool {
			b.WriteString(" " + a.Key + "=" + a.Value.String())
			return true
		}
		for _, a := range h.with {
			show(a)
		}
		r.Attrs(show)
		h.to.add("  " + cut(strings.Join(strings.Fields(b.String()), " "), longestNotice))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (h *noticing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &noticing{Handler: h.Handler.WithAttrs(attrs), to: h.to, with: append(h.with[:len(h.with):len(h.with)], attrs...)}
}

// WithGroup is part of slog.Handler.
func (h *noticing) WithGroup(name string) slog.Handler {
	return &noticing{Handler: h.Handler.WithGroup(name), to: h.to, with: h.with}
}
