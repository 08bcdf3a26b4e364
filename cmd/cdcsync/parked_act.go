package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// acting is one run of parked retry or parked discard.
type acting struct {
	asking
	discard      bool
	mapping      string
	code         string
	all, certain bool
}

func parkedActCommand(discard bool) *cobra.Command {
	act := acting{discard: discard}
	cmd := &cobra.Command{
		Use:   "retry (KEY|ID)... | --mapping M | --code C | --all",
		Short: "Have parked objects tried again, with their rows as they are now",
		Long: `Have parked objects tried again, with their rows as they are now.

The row of each is read from its table, so that an old value never takes the
place of a newer one, and goes through the same queue as all changes. An object
that is refused again is parked again. One whose row has gone is done with: the
delete that took it away says what becomes of its object. One without a key
cannot be retried: fix its row, then discard it.`,
		Example: `  cdcsync parked retry id=42
  cdcsync parked retry --code 1004
  cdcsync parked retry --all`,
	}
	if discard {
		cmd.Use = strings.Replace(cmd.Use, "retry", "discard", 1)
		cmd.Short = "Give parked objects up: Marketo keeps what it has"
		cmd.Long = `Give parked objects up: Marketo keeps what it has.

What was parked is forgotten, with its reason and its values. The row in its
table is untouched, and its next change is delivered as ever. Without --yes it
shows what would be given up, and asks.`
		cmd.Example = strings.ReplaceAll(cmd.Example, "retry", "discard") + " --yes"
	}
	verb, _, _ := strings.Cut(cmd.Use, " ")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		selectors, err := act.selectors(args)
		if err != nil {
			return err
		}
		client, err := act.client()
		if err != nil {
			return err
		}
		if err := act.run(cmd, client, selectors); err != nil {
			return fmt.Errorf("parked %s: %w", verb, explain(err))
		}
		return nil
	}
	act.flags(cmd)
	cmd.Flags().StringVar(&act.mapping, "mapping", "", "those of this mapping")
	cmd.Flags().StringVar(&act.code, "code", "", `those with this code; "-" for those without one`)
	cmd.Flags().BoolVar(&act.all, "all", false, "all of them")
	yes := "do not ask"
	if !discard {
		yes = "for scripts; retry never asks"
	}
	cmd.Flags().BoolVarP(&act.certain, "yes", "y", false, yes)
	return cmd
}

// selectors says what is to be acted on: one selector for each key, or one for
// all else.
func (a *acting) selectors(keys []string) ([]admin.Selector, error) {
	wide := admin.Selector{Mapping: a.mapping, Code: a.code, All: a.all}
	switch {
	case wide == (admin.Selector{}) && len(keys) == 0:
		return nil, usageError{errors.New("nothing is selected; give keys or ids, --mapping, --code or --all")}
	case a.all && (len(keys) > 0 || a.mapping != "" || a.code != ""):
		return nil, usageError{errors.New("--all stands beside something narrower; give one of them")}
	case len(keys) == 0:
		return []admin.Selector{wide}, nil
	}
	var selectors []admin.Selector
	for _, key := range keys {
		if strings.TrimSpace(key) == "" {
			return nil, usageError{errors.New("a key is empty; write it as parked list does")}
		}
		selectors = append(selectors, admin.Selector{Mapping: a.mapping, Code: a.code, Key: key})
	}
	return selectors, nil
}

// run acts on one selector after the other. It ends at the first that cannot
// be acted on, having said what was done before.
func (a *acting) run(cmd *cobra.Command, client *admin.Client, selectors []admin.Selector) error {
	if a.discard && !a.certain {
		if sure, err := a.ask(cmd, client, selectors); err != nil || !sure {
			return err
		}
	}
	act := client.Retry
	if a.discard {
		act = client.Discard
	}
	var sum admin.Acted
	var failed error
	for _, s := range selectors {
		acted, err := act(cmd.Context(), s)
		if err != nil {
			failed = err
			break
		}
		sum.Done += acted.Done
		sum.Missing += acted.Missing
		sum.Problems = append(sum.Problems, acted.Problems...)
	}
	out := cmd.OutOrStdout()
	var err error
	switch {
	case a.json:
		err = writeIndented(out, sum)
	case failed == nil || sum.Done > 0:
		_, err = io.WriteString(out, a.actedText(sum))
	}
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case len(sum.Problems) > 0:
		what := "queued again"
		if a.discard {
			what = "given up"
		}
		return fmt.Errorf("objects that could not be %s: %d; the first: %s", what, len(sum.Problems), printable(sum.Problems[0]))
	}
	return nil
}

// ask shows what would be given up, and asks whether it is to be.
func (a *acting) ask(cmd *cobra.Command, client *admin.Client, selectors []admin.Selector) (bool, error) {
	total := 0
	var groups []admin.Group
	for _, s := range selectors {
		listed, err := client.Parked(cmd.Context(), admin.Query{Mapping: s.Mapping, Code: s.Code, Key: s.Key, Limit: -1})
		if err != nil {
			return false, err
		}
		if listed.Total == 0 && s.Key != "" {
			return false, fmt.Errorf("nothing is parked as %s; cdcsync parked list shows keys and ids", printable(s.Key))
		}
		total += listed.Total
		groups = append(groups, listed.Groups...)
	}
	if total == 0 {
		return true, nil // the answer says so
	}
	what := objects(total) + " would be given up for good"
	yes, err := agreed(cmd, groupsText(groups), what)
	if err == nil && !yes {
		err = errors.New("nothing was given up")
	}
	return yes, err
}

// agreed shows what is at stake and asks at a terminal whether what would happen
// shall. Where nobody can be asked, the error says how to do without.
func agreed(cmd *cobra.Command, shown, what string) (bool, error) {
	unasked := fmt.Errorf("%s; add --yes to do it", what)
	if !terminal(cmd.InOrStdin()) {
		return false, unasked
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s\n%s. Go on? [y/N] ", shown, what)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if line == "" && errors.Is(err, io.EOF) {
		return false, unasked // nobody is there, as with /dev/null
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
