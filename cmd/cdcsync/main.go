// Command cdcsync delivers row changes of a PostgreSQL database to Marketo
// custom objects, and confirms each before the database may forget it.
//
// The command wires the rooms under internal together and does nothing else.
// It exits with 0 when all went well, 1 when something failed, 2 for wrong
// usage or configuration, and 3 when it refuses to go on because changes
// would be lost. wait has two more: 4 when its time is up, 5 for parked objects.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/version"
)

func main() { os.Exit(execute()) }

func execute() int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cdcsync: "+err.Error())
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage usageError
	var refused *checkpoint.Refusal
	var notYet notYetError
	var parked parkedError
	var differs differsError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		return 3
	case errors.As(err, &notYet):
		return exitNotYet
	case errors.As(err, &parked):
		return exitParked
	case errors.As(err, &differs):
		return exitDiffers
	case errors.As(err, &usage), misconfigured(err):
		return 2
	case loses(err):
		return 3
	}
	return 1
}

// misconfigured reports whether what source.url says must be corrected.
func misconfigured(err error) bool {
	switch replication.Diagnose(err) {
	case replication.Configuration, replication.Pooler, replication.Session, replication.File:
		return true
	}
	return false
}

// loses reports whether the stream ended because going on would lose changes.
func loses(err error) bool {
	switch replication.Diagnose(err) {
	case replication.SlotMissing, replication.SlotLost, replication.Gap, replication.ServerBehind, replication.PublicationMissing:
		return true
	}
	return false
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cdcsync",
		Short: "Deliver PostgreSQL row changes to Marketo custom objects, each confirmed",
		Long: `cdcsync reads the logical replication stream of a PostgreSQL database, turns
row changes into Marketo custom objects, writes them in full batches, and lets
the database forget a change only after Marketo has confirmed its object.

Try it, with a PostgreSQL and a Marketo that exist only as long as it runs:

  cdcsync demo

Then have a configuration proposed for a database (config.example.yaml explains
every key) and:

  cdcsync init -o cdcsync.yaml
  cdcsync check -c cdcsync.yaml
  cdcsync run -c cdcsync.yaml`,
		Version:       version.Read(linked).String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("cdcsync {{.Version}}\n")
	root.SetFlagErrorFunc(wrongFlag)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(initCommand(), schemaCommand(), runCommand(), checkCommand(), previewCommand(), statusCommand(), waitCommand(), traceCommand(), eraseCommand(), auditCommand(), parkedCommand(), releaseCommand(), pauseCommand(), resumeCommand(), reloadCommand(), backfillCommand(),
		stateCommand(), simulateCommand(), demoCommand(), versionCommand(), teardownCommand(), manCommand())
	complete(root)
	strict(root)
	return root
}
