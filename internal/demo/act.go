package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// act is one run on a stage that stands.
type act struct {
	stage   *stage
	options Options
	screen  *screen
	began   time.Time

	workload *workload
	// monitor is the session that asks the server how far it is.
	monitor *pgx.Conn
	board   board
	// end is the server's position behind the last change of the workload,
	// once that has stopped.
	end pgoutput.LSN
}

// settleWait is the longest that what is left may take once the workload has
// stopped; with Marketo's own limits calls may have to wait for the window.
func (a *act) settleWait() time.Duration {
	if a.options.RealLimits {
		return 2 * time.Minute
	}
	return time.Minute
}

// play runs the workload, waits until all of it is confirmed, and stops the
// daemon in order.
func (a *act) play(ctx context.Context, enough <-chan struct{}) error {
	conn, err := pgx.Connect(ctx, a.stage.database)
	if err != nil {
		return fmt.Errorf("demo: watch the server: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	a.monitor = conn
	a.board = board{began: a.began, duration: a.options.Duration}
	a.workload = &workload{database: a.stage.database, seed: a.options.Seed, rate: a.options.Rate}

	if err := a.work(ctx, enough); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a.screen.say(fmt.Sprintf("%s  The workload has stopped. What is under way is delivered ...", a.board.clock(time.Now())))
	if err := a.settle(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a.board.phase = "everything is confirmed"
	if a.screen.live {
		a.screen.draw(a.board.lines())
	}
	a.screen.finish()
	if err := a.stage.stop(); err != nil {
		return fmt.Errorf("demo: stop the daemon: %w", err)
	}
	return a.readSlot(ctx)
}

// work shows the workload and the outage until they have ended.
func (a *act) work(ctx context.Context, enough <-chan struct{}) error {
	stop, done := a.ending(ctx, enough)
	defer done()
	group, life := errgroup.WithContext(ctx)
	group.Go(func() error { return a.workload.run(life, stop) })
	tidings := make(chan string, 2)
	if a.options.Outage {
		group.Go(func() error { return a.outage(life, stop, tidings) })
	}
	over := make(chan error, 1)
	go func() { over <- group.Wait() }()
	ended, err := a.watch(ctx, over, tidings, nil)
	if !ended {
		done()
		err = firstOf(err, <-over)
	}
	return err
}

// ending returns a channel that is closed when the workload is to stop, and
// what closes it now.
func (a *act) ending(ctx context.Context, enough <-chan struct{}) (stop chan struct{}, done func()) {
	ending, cancel := context.WithCancel(ctx)
	stop = make(chan struct{})
	var over <-chan time.Time
	if a.options.Duration > 0 {
		over = time.After(a.options.Duration)
	}
	go func() {
		defer close(stop)
		select {
		case <-over:
		case <-enough:
		case <-ending.Done():
		}
	}()
	return stop, func() {
		cancel()
		<-stop
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// watch draws progress until over gives its error, or until returns true for
// what is seen; then ended is false and err nil. It is an error when the daemon
// ends, or when it does not answer.
func (a *act) watch(ctx context.Context, over <-chan error, tidings <-chan string, until func(sample) bool) (ended bool, err error) {
	tick := time.NewTicker(a.screen.interval())
	defer tick.Stop()
	for {
		s, err := a.sample(ctx)
		if err != nil {
			return false, a.orEnded(err)
		}
		a.show(s)
		if until != nil && until(s) {
			return false, nil
		}
		select {
		case err := <-over:
			return true, err
		case line := <-tidings:
			a.screen.say(line)
		case err := <-a.stage.ended:
			return false, a.stage.endedEarly(err)
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}

// orEnded prefers the reason why the daemon ended to what followed from it.
func (a *act) orEnded(err error) error {
	select {
	case reason := <-a.stage.ended:
		return a.stage.endedEarly(reason)
	default:
		return err
	}
}

func (a *act) show(s sample) {
	a.screen.say(a.stage.notices.take()...)
	a.board.add(s)
	if a.screen.live {
		a.screen.draw(a.board.lines())
		return
	}
	a.screen.say(a.board.line())
}

// settle waits until every change is confirmed and the server knows it.
func (a *act) settle(ctx context.Context) error {
	var end uint64
	err := a.monitor.QueryRow(ctx, "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").Scan(&end)
	if err != nil {
		return fmt.Errorf("ask the server for its position: %w", err)
	}
	a.end = pgoutput.LSN(end)
	a.board.phase = "delivering what is left"
	deadline, cancel := context.WithTimeout(ctx, a.settleWait())
	defer cancel()
	_, err = a.watch(deadline, nil, nil, func(s sample) bool { return s.settled(a.end) })
	if err != nil && ctx.Err() == nil && deadline.Err() != nil {
		return fmt.Errorf("not everything was confirmed within %s of the end of the workload: %s; see the daemon's log with --keep",
			a.settleWait(), a.board.now().missing(a.end))
	}
	return err
}

// readSlot reads what the server keeps, now that nobody uses the slot.
func (a *act) readSlot(ctx context.Context) error {
	s := a.board.now()
	if err := a.askServer(ctx, &s); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a.board.add(s)
	return nil
}
