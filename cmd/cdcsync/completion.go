package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
)

// completionPatience is how long somebody waits who has pressed the tab key.
const completionPatience = 2 * time.Second

// lister asks the daemon what may be written.
type lister func(ctx context.Context, client *admin.Client) ([]string, error)

// complete has shells complete what commands take: the names of mappings, and of
// the parked objects and refused rows the codes and keys, as the running daemon knows them. What
// a command takes, its flags and its usage line say.
func complete(root *cobra.Command) {
	flags := map[string]lister{"mapping": mappingNames, "code": parkedCodes, "key": parkedKeys}
	each(root, func(cmd *cobra.Command) {
		if cmd.Flags().Lookup("config") != nil {
			_ = cmd.MarkFlagFilename("config", "yaml", "yml") // it is there
		}
		if cmd.Flags().Lookup("address") == nil {
			return
		}
		for name, list := range flags {
			if name == "code" && cmd.HasParent() && cmd.Parent().Name() == "backfill" {
				list = refusedCodes
			}
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, list.function(true)) // once for each
			}
		}
		many := strings.Contains(cmd.Use, "...")
		switch {
		case strings.Contains(cmd.Use, "MAPPING"):
			cmd.ValidArgsFunction = lister(mappingNames).function(many)
		case strings.Contains(cmd.Use, "KEY"):
			cmd.ValidArgsFunction = lister(parkedKeys).function(many)
		}
	})
}

// function completes with what the daemon lists, without what stands there
// already; with nothing when nobody answers. Only where many are taken is there
// something after the first.
func (l lister) function(many bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ask asking
		ask.file, _ = cmd.Flags().GetString("config")
		ask.address, _ = cmd.Flags().GetString("address")
		client, err := ask.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionPatience)
		defer cancel()
		words, err := l(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, begun) || slices.Contains(args, w) })
		slices.Sort(words)
		return slices.Compact(words), cobra.ShellCompDirectiveNoFileComp
	}
}

func mappingNames(ctx context.Context, client *admin.Client) ([]string, error) {
	s, err := client.Status(ctx)
	if err != nil || s.Report == nil {
		return nil, err
	}
	var names []string
	for _, m := range s.Report.Mappings {
		names = append(names, m.Name)
	}
	return names, nil
}

func parkedCodes(ctx context.Context, client *admin.Client) ([]string, error) {
	parked, err := client.Parked(ctx, admin.Query{Limit: -1})
	var codes []string
	for _, g := range parked.Groups {
		code := g.Code
		if code == "" {
			code = admin.NoCode
		}
		codes = append(codes, code)
	}
	return codes, err
}

func refusedCodes(ctx context.Context, client *admin.Client) ([]string, error) {
	const some = 1000
	all, err := client.Backfills(ctx, admin.BackfillAsk{Refused: some})
	var codes []string
	for _, b := range all.Backfills {
		for _, r := range b.RefusedRows {
			codes = append(codes, cmp.Or(r.Code, admin.NoCode))
		}
	}
	return codes, err
}

func parkedKeys(ctx context.Context, client *admin.Client) ([]string, error) {
	parked, err := client.Parked(ctx, admin.Query{})
	var keys []string
	for _, e := range parked.Entries {
		if e.Key != "" && printable(e.Key) == e.Key {
			keys = append(keys, e.Key)
		}
	}
	return keys, err
}
