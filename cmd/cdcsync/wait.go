package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// Exit codes of wait beside the common ones.
const (
	exitNotYet = 4
	exitParked = 5
)

// notYetError ends a wait whose time is up.
type notYetError struct{ error }

// parkedError ends one that somebody wants nothing parked of.
type parkedError struct{ error }

const (
	// firstHold is how long the daemon may think about the first question, so that
	// who waits soon sees for what; hold about each after it.
	firstHold, hold = 2 * time.Second, 20 * time.Second
	// askAgain is the least time between two questions.
	askAgain = 500 * time.Millisecond
)

func waitCommand() *cobra.Command {
	var w waitRun
	var lsn string
	var now bool
	cmd := &cobra.Command{
		Use:   "wait --now | --lsn LSN",
		Short: "Wait until a commit is in Marketo",
		Long: `Wait until everything committed before a place in the WAL is in Marketo.

--now takes what is committed by now, as the server says from which cdcsync reads.
--lsn takes a place, as pg_current_wal_lsn() tells it to a session that has
committed; with synchronous_commit = off that may be before its own commit, and
pg_current_wal_insert_lsn() is to be asked. An LSN means something on one timeline
only: where the server may fail over meanwhile, give --timeline with it.

It says yes when each object made of these changes is confirmed by Marketo, or
parked; those that are parked are counted, and --fail-parked takes them for a
failure. Rows that were there before the slot come with a backfill, which is not
waited for.

It exits with 0 for yes, 4 when the time is up, 5 with --fail-parked for parked
objects, and 1 when there can be no yes any more. While the daemon does not answer,
as it is being restarted, it goes on asking.`,
		Example: `  cdcsync wait --now
  cdcsync wait --now --timeout 30s --fail-parked
  cdcsync wait --lsn "$(psql -XAtc 'SELECT pg_current_wal_lsn()')"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if now == (lsn != "") {
				return usageError{errors.New("give either --now or --lsn")}
			}
			if lsn != "" {
				place, err := pgoutput.ParseLSN(lsn)
				if err != nil || place == 0 {
					return usageError{fmt.Errorf("--lsn %s is not a place in the WAL; it is written as pg_current_wal_lsn() does, 0/16B3748", printable(lsn))}
				}
				w.what.LSN = place
			}
			if w.what.Timeline < 0 || w.what.Timeline > 0 && now || w.timeout < 0 {
				return usageError{errors.New("--timeline is a number from 1 on and goes with --lsn; --timeout is not negative")}
			}
			client, err := w.ask.client()
			if err != nil {
				return err
			}
			return w.run(cmd.Context(), client, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	w.ask.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&now, "now", false, "wait for what is committed by now")
	f.StringVar(&lsn, "lsn", "", "wait for what is committed before this place")
	f.Int32Var(&w.what.Timeline, "timeline", 0, "the timeline that --lsn is of; the server's own by default")
	f.DurationVar(&w.timeout, "timeout", 10*time.Minute, "give up after this time; 0 never does")
	f.BoolVar(&w.failParked, "fail-parked", false, "take it for a failure if an object of it is parked")
	return cmd
}

// waitRun is one wait.
type waitRun struct {
	ask        asking
	what       admin.WaitAsk
	timeout    time.Duration
	failParked bool
}

// waitSource is a daemon, or what a test takes for one.
type waitSource interface {
	Wait(ctx context.Context, ask admin.WaitAsk) (admin.Waited, error)
}

// run asks until there is an answer, and tells what is waited for when that
// changes.
func (w *waitRun) run(ctx context.Context, client waitSource, out, log io.Writer) error {
	begin, told := time.Now(), ""
	last := admin.Waited{WaitsFor: []snapshot.Obstacle{{State: snapshot.Starting, Reason: "the daemon has not answered yet"}}}
	for n := 0; ; n++ {
		w.what.Hold = hold
		if n == 0 {
			w.what.Hold = firstHold
		}
		if w.timeout > 0 {
			w.what.Hold = max(0, min(w.what.Hold, w.timeout-time.Since(begin)))
		}
		asked := time.Now()
		answer, err := client.Wait(ctx, w.what)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("wait: %w", ctx.Err())
		case errors.Is(err, admin.ErrUnreachable):
			last.WaitsFor = []snapshot.Obstacle{{State: snapshot.Starting, Reason: explain(err).Error()}}
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		default:
			last = answer
		}
		if err == nil && answer.Lost != "" {
			return w.end(out, answer, errors.New("wait: "+printable(answer.Lost)))
		}
		if err == nil && answer.Reached {
			return w.end(out, answer, w.verdict(answer))
		}
		w.keep(answer)
		if w.timeout > 0 && time.Since(begin) >= w.timeout {
			return w.end(out, last, notYetError{fmt.Errorf("wait: not in marketo within %s: %s", w.timeout, waitsFor(last))})
		}
		if text := waitsFor(last); text != told && time.Since(begin) >= firstHold {
			told = text
			fmt.Fprintf(log, "waits: %s\n", text)
		}
		select {
		case <-time.After(askAgain - time.Since(asked)):
		case <-ctx.Done():
		}
	}
}

// keep makes what --now stood for at first the place that is waited for.
func (w *waitRun) keep(answer admin.Waited) {
	lsn, err := pgoutput.ParseLSN(answer.LSN)
	if err != nil {
		return
	}
	w.what.LSN = lsn
	if answer.Timeline > 0 {
		w.what.Timeline = answer.Timeline
	}
}

// verdict is what becomes of a yes.
func (w *waitRun) verdict(answer admin.Waited) error {
	if w.failParked && answer.Parked > 0 {
		return parkedError{fmt.Errorf("wait: %s of what was committed before %s are parked; see cdcsync parked list", objects(answer.Parked), answer.LSN)}
	}
	return nil
}

// end prints the answer, and returns err.
func (w *waitRun) end(out io.Writer, answer admin.Waited, err error) error {
	var failed error
	switch {
	case w.ask.json:
		failed = writeIndented(out, answer)
	case err == nil:
		text := "everything committed before " + answer.LSN + " is in Marketo"
		if answer.Parked > 0 {
			text += ", except " + objects(answer.Parked) + " that are parked; see cdcsync parked list"
		}
		_, failed = fmt.Fprintln(out, text)
	}
	if err == nil && failed != nil {
		err = fmt.Errorf("wait: %w", failed)
	}
	return err
}

// waitsFor says in one line what stands against a yes, and what to do.
func waitsFor(answer admin.Waited) string {
	if len(answer.WaitsFor) == 0 {
		return "the next look"
	}
	worst := answer.WaitsFor[0]
	text := printable(worst.Reason)
	if worst.Advice != "" {
		text += "; " + printable(worst.Advice)
	}
	more := 0
	for _, o := range answer.WaitsFor[1:] {
		if o.State != string(delivery.Delivering) { // what is on its way is no obstacle, and status does not list it
			more++
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more; see cdcsync status)", more)
	}
	return text
}
