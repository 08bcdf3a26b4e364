package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

// usageError marks wrong usage or configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// wrongUsage is a usageError that says where to read on.
func wrongUsage(cmd *cobra.Command, format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; see %s --help", append(args, cmd.CommandPath())...)}
}

// noArguments accepts none. A command that has others below it takes the first
// argument for a misspelt one.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasAvailableSubCommands() {
		return wrongUsage(cmd, "%s has no command %s%s", cmd.CommandPath(), strconv.Quote(args[0]), spelling.Hint(args[0], names(cmd)))
	}
	hint := ""
	if f := cmd.Flags().Lookup("config"); f != nil && !f.Changed {
		hint = "; a configuration is given with -c"
	}
	return wrongUsage(cmd, "%s takes no argument, and got %s%s", cmd.CommandPath(), strconv.Quote(args[0]), hint)
}

// exactly accepts n arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return wrongUsage(cmd, "%s takes %s, and got %d arguments", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// names lists what may be written behind cmd.
func names(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	return names
}

// wrongFlag says what is wrong with a flag, and which may be meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return wrongUsage(cmd, "%w", err)
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags = append(flags, "--"+f.Name)
		}
	})
	return wrongUsage(cmd, "%w%s", err, spelling.Hint("--"+unknown.GetSpecifiedName(), flags))
}

// strict has every command below root, cobra's own among them, refuse what it
// does not know with the exit code of wrong usage.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(help *cobra.Command, args []string) error {
				if topic, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return wrongUsage(topic, "there is no help on %s%s", strconv.Quote(rest[0]), spelling.Hint(rest[0], names(topic)))
				}
				return nil
			}
		}
		each(c, func(c *cobra.Command) {
			if !c.Runnable() {
				c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
				c.Args = noArguments
			}
			if given := c.Args; given != nil {
				c.Args = func(cmd *cobra.Command, args []string) error {
					err := given(cmd, args)
					var usage usageError
					if err == nil || errors.As(err, &usage) {
						return err
					}
					return wrongUsage(cmd, "%w", err)
				}
			}
		})
	}
}

func each(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, below := range c.Commands() {
		each(below, do)
	}
}
