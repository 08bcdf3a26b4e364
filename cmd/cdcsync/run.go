package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Deliver changes until stopped",
		Long: `Deliver changes until stopped.

The publication and the slot are created when they are missing. SIGTERM and
SIGINT end in order: what waits is sent, settled and confirmed, within
delivery.shutdown_timeout; a second signal ends at once. Nothing is lost
either way.`,
		Example: "  cdcsync run -c cdcsync.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return usageError{err}
			}
			log := newLogger(c.Log, cmd.ErrOrStderr())
			for _, w := range c.Warnings {
				log.Warn("configuration", "warning", w.Error())
			}
			d := &daemon.Daemon{Config: c, Log: log, Version: buildVersion()}
			err = d.Run(cmd.Context())
			var unfit *preflight.Error
			if errors.As(err, &unfit) {
				return usageError{fmt.Errorf("database and configuration do not fit:\n%w", err)}
			}
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// configFlag adds -c.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "cdcsync.yaml", "configuration file")
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
