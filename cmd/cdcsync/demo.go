package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/demo"
	"github.com/cdcsync/cdcsync/internal/version"
)

func demoCommand() *cobra.Command {
	o := demo.Options{}
	var api, limits string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it at work on a throwaway PostgreSQL and a simulated Marketo",
		Long: `Demo starts a PostgreSQL server of its own, a simulated Marketo, and the daemon
between them. A small shop changes all the time: inserts, updates, deletes,
keys that change, transactions that are rolled back. In the middle Marketo is
away for three seconds.

At the end every mapped row is compared with what Marketo holds. It exits with
0 when all agree. Ctrl-C ends the workload early and compares; a second one
leaves at once. Nothing stays behind.`,
		Example: `  cdcsync demo
  cdcsync demo --api rest --duration 2m
  cdcsync demo --limits real --keep`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.API = demo.API(api)
			o.RealLimits = limits == "real"
			if limits != "real" && limits != "lifted" {
				return usageError{fmt.Errorf("--limits %q: choose lifted or real", limits)}
			}
			if !cmd.Flags().Changed("rate") {
				o.Rate = demo.DefaultRate(o.API, o.RealLimits)
			}
			if err := o.Check(); err != nil {
				return usageError{err}
			}
			o.Version = version.Read(linked)
			o.Out = cmd.OutOrStdout()
			o.Live = isTerminal(o.Out)
			ctx, stop := untilSecondSignal(cmd.Context())
			defer stop()
			return demo.Run(ctx, cmd.Context().Done(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&api, "api", string(demo.SOAP), "soap (100 objects a call) or rest (300)")
	flags.DurationVar(&o.Duration, "duration", 30*time.Second, "how long the shop changes; 0 is until Ctrl-C")
	flags.IntVar(&o.Rate, "rate", 0, "row changes a second to aim at (default 2000; with --limits real 100 over SOAP, 250 over REST)")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of the shop's choices")
	flags.DurationVar(&o.Latency, "latency", 80*time.Millisecond, "how long Marketo takes for a call, give or take 30 %")
	flags.StringVar(&limits, "limits", "lifted", "lifted, but for 10 calls at once, or real: 50 calls in 20 s, 5 at once, 10,000 a day")
	flags.BoolVar(&o.Outage, "outage", true, "let Marketo be away for 3 s in the middle, if the duration is 15 s or longer")
	flags.BoolVar(&o.Keep, "keep", false, "keep the directory with the configuration, the log and the state")
	return cmd
}

// isTerminal reports whether w can draw in place.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// untilSecondSignal returns a context that outlives ctx, which a first signal
// ends, and ends with the next one: so that also somebody in a hurry leaves no
// server and no files behind. A third signal ends the process.
func untilSecondSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endings()...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-longer.Done():
				return
			}
		}
		cancel()
	}()
	return longer, func() {
		cancel()
		<-done
	}
}
