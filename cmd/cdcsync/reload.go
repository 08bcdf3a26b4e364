package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func reloadCommand() *cobra.Command {
	var ask asking
	cmd := &cobra.Command{
		Use:   "reload [-c FILE]",
		Short: "Have a running daemon read its configuration again",
		Long: `Have a running daemon read its configuration again.

The new configuration is checked as a whole, against the database, too. Where
something is wrong with it the daemon goes on with the old one, and the command
ends with 2, or with 3 where the new one would lose changes. Else what is under way
ends in order, and delivery goes on from there with the new one, in the same
process. What is different is listed. Files of secrets are read again in any case.`,
		Example: "  cdcsync reload -c cdcsync.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			end := patientOn(cmd.ErrOrStderr()).while("waiting for the end of what is under way, and for the new configuration to begin")
			answer, err := client.Reload(cmd.Context())
			end()
			if err != nil {
				return fmt.Errorf("reload: %w", explain(err))
			}
			text := "the new configuration takes effect; cdcsync status shows what comes of it\n"
			if answer.Refused != "" {
				text = ""
			} else if len(answer.Changed) == 0 {
				text = "nothing is different; delivery begins anew with the same configuration\n"
			}
			for _, change := range answer.Changed {
				text += "  " + printable(change) + "\n"
			}
			if ask.json {
				err = writeIndented(cmd.OutOrStdout(), answer)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), text)
			}
			switch {
			case err != nil:
				return fmt.Errorf("reload: %w", err)
			case answer.Refused == "":
				return nil
			case answer.Loses:
				return fmt.Errorf("reload: the old configuration goes on: %w", &checkpoint.Refusal{Code: "refused", Reason: answer.Refused})
			}
			return usageError{errors.New("reload: the old configuration goes on: " + answer.Refused)}
		},
	}
	ask.flags(cmd)
	return cmd
}
