package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// watchEvery is how often --watch asks.
const watchEvery = 2 * time.Second

func statusCommand() *cobra.Command {
	var ask asking
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [-c FILE]",
		Short: "Say how a running daemon is: what it does, how fresh Marketo is, what is parked",
		Long: `Say how a running daemon is.

The first line has the state and, when changes are not being delivered, the
one reason that matters most, with what to do about it. The rest tells how far
Marketo has come, what waits and what is parked, the calls of the day, and what
became of each mapping's changes.

Of the configuration it reads http.listen only, so it needs neither the secrets
nor the environment of the daemon. It exits with 0 when the daemon is ready, and
with 1 when it is not, or does not answer. With --watch it goes on until
interrupted and exits with 0.`,
		Example: `  cdcsync status -c cdcsync.yaml
  cdcsync status -c cdcsync.yaml --watch
  cdcsync status --address 127.0.0.1:9640 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			if watch {
				return watchStatus(cmd.Context(), cmd.OutOrStdout(), client, ask.json)
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return fmt.Errorf("status: %w", explain(err))
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), statusJSON{s, backfillsOf(cmd.Context(), client, s)})
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), statusText(s, backfillsOf(cmd.Context(), client, s)...))
			}
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if !s.Ready {
				return errNotReady
			}
			return nil
		},
	}
	ask.flags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, every two seconds")
	return cmd
}

// statusJSON is a status with its backfills.
type statusJSON struct {
	snapshot.Status
	Backfills []admin.Backfill `json:"backfills,omitempty"`
}

// errNotReady ends a status whose reason has been printed.
var errNotReady = errors.New("status: not ready")

// statusSource is a daemon, or what a test takes for one.
type statusSource interface {
	Status(ctx context.Context) (snapshot.Status, error)
	Backfills(ctx context.Context, ask admin.BackfillAsk) (admin.Backfills, error)
}

// backfillsOf lists backfills; none while the daemon does not say, as the status
// has told that already.
func backfillsOf(ctx context.Context, client statusSource, s snapshot.Status) []admin.Backfill {
	if s.Report == nil {
		return nil
	}
	answer, err := client.Backfills(ctx, admin.BackfillAsk{})
	if err != nil {
		return nil
	}
	return answer.Backfills
}

// watchStatus shows the status again and again until ctx ends: in place on a
// terminal, else one after the other, as JSON one a line.
func watchStatus(ctx context.Context, w io.Writer, client statusSource, asJSON bool) error {
	begin, end := "", "\n"
	if terminal(w) {
		begin, end = "\x1b[H\x1b[2J", ""
	}
	for {
		s, err := client.Status(ctx)
		var text []byte
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && asJSON:
			return fmt.Errorf("status: %w", explain(err))
		case err != nil:
			text = []byte(begin + "no answer at " + time.Now().Format(time.TimeOnly) + ": " + explain(err).Error() + "\n" + end)
		case asJSON:
			if text, err = json.Marshal(statusJSON{s, backfillsOf(ctx, client, s)}); err != nil {
				return fmt.Errorf("status: %w", err)
			}
			text = append(text, '\n')
		default:
			text = []byte(begin + statusText(s, backfillsOf(ctx, client, s)...) + end)
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}
