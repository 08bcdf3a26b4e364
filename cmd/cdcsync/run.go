package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/supervisor"
	"github.com/cdcsync/cdcsync/internal/version"
)

func runCommand() *cobra.Command {
	var file string
	var tables, mappings []string
	var gap string
	var watching shadowing
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Deliver changes until stopped",
		Long: `Deliver changes until stopped.

The publication and the slot are created when they are missing. SIGTERM and SIGINT
end in order: what waits is sent, settled and confirmed, within
delivery.shutdown_timeout; a second one ends at once. Nothing is lost either way.
SIGHUP has the configuration read again, as cdcsync reload does; it ends in order
where standard input is a terminal, which sends it when it is closed.

With --shadow it does everything but send, and says at the end how many calls a day
takes: it reads from a temporary slot of its own, and touches neither the configured
slot nor the state file, so that the daemon may run beside it.`,
		Example: `  cdcsync run -c cdcsync.yaml
  cdcsync run -c cdcsync.yaml --shadow --for 1h`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &daemon.Daemon{}
			if !terminal(os.Stdin) && !watching.on {
				reload := func() { d.Hangup() }
				hangup.Store(&reload)
				defer hangup.Store(nil)
			}
			c, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return usageError{err}
			}
			log := newLogger(c.Log, cmd.ErrOrStderr())
			for _, w := range c.Warnings {
				log.Warn("configuration", "warning", w.Error())
			}
			// Who reads the log may go first, as in a pipe: that is no reason to die.
			signal.Ignore(syscall.SIGPIPE)
			told := context.AfterFunc(cmd.Context(), func() {
				log.Info("ending in order", "cause", context.Cause(cmd.Context()))
			})
			defer told()
			if watching.on {
				return watching.run(cmd, c, log)
			}
			if watching.given(cmd) {
				return usageError{errors.New("--for, --latency and --json go with --shadow")}
			}
			d.Config, d.Log, d.Version, d.Supervisor = c, log, version.Read(linked), supervisor.New(os.LookupEnv, os.Getpid())
			d.AcceptTables, d.AcceptMappings = tables, mappings
			if gap != "" {
				span, err := checkpoint.ParseSpan(gap)
				if err != nil {
					return usageError{fmt.Errorf("--accept-gap: %w", err)}
				}
				d.AcceptGap = &span
			}
			d.Load = func() (*config.Config, *slog.Logger, error) {
				c, err := config.Load(file, os.LookupEnv)
				if err != nil {
					return nil, nil, err
				}
				log := newLogger(c.Log, cmd.ErrOrStderr())
				for _, w := range c.Warnings {
					log.Warn("configuration", "warning", w.Error())
				}
				return c, log, nil
			}
			err = d.Run(cmd.Context())
			var none *daemon.NoGapError
			if errors.As(err, &none) {
				return usageError{err}
			}
			var unfit *preflight.Error
			if errors.As(err, &unfit) {
				return usageError{fmt.Errorf("database and configuration do not fit:\n%w", err)}
			}
			return err
		},
	}
	configFlag(cmd, &file)
	watching.flags(cmd)
	cmd.Flags().StringVar(&gap, "accept-gap", "", "go on without what is in this gap (FROM..TO, FROM..new), which a refused start or halted reading has named; it is recorded")
	cmd.Flags().StringArrayVar(&mappings, "accept-mapping", nil, "go on although this mapping has another key or object type, as a refused start has said; may be given several times")
	cmd.Flags().StringArrayVar(&tables, "accept-table", nil, "go on although changes of this table (schema.table, or all) may be missing, as a refused start has said; may be given several times")
	return cmd
}

// configFlag adds -c.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "cdcsync.yaml", "configuration file")
}
