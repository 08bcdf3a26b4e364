package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/cdcsync/cdcsync/internal/config"
)

// newLogger returns the log of a configuration. Its values have the same form
// as text and as JSON: positions 0/16B3748, durations 30s.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level, ReplaceAttr: asText}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// asText writes as text what JSON would write in a form of its own.
func asText(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindAny:
		if v, ok := a.Value.Any().(fmt.Stringer); ok {
			a.Value = slog.StringValue(v.String())
		}
	}
	return a
}
