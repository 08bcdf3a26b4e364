package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/remedy"
)

func parkedExportCommand() *cobra.Command {
	var ask asking
	var query admin.Query
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print all parked objects for a spreadsheet or a program, with what to do about each",
		Long: `Print all parked objects for a spreadsheet (CSV) or a program (JSON lines), those
with the same mapping and code together, with what to do about them and who can.

Keys are values of rows; other values are not exported, see parked show.`,
		Example: `  cdcsync parked export > parked.csv
  cdcsync parked export --format jsonl --code 1003`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "csv" && format != "jsonl" {
				return usageError{fmt.Errorf("--format %q: allowed are csv and jsonl", format)}
			}
			return export(cmd, ask, query, format)
		},
	}
	configFlag(cmd, &ask.file)
	flags := cmd.Flags()
	flags.StringVar(&ask.address, "address", "", "HOST:PORT of the daemon, in place of the configuration's http.listen")
	flags.StringVar(&format, "format", "csv", "csv or jsonl")
	flags.StringVar(&query.Mapping, "mapping", "", "only those of this mapping")
	flags.StringVar(&query.Code, "code", "", `only those with this code; "-" for those without one`)
	flags.BoolVar(&query.Waiting, "waiting", false, "only those that are tried again by themselves")
	return cmd
}

func export(cmd *cobra.Command, ask asking, query admin.Query, format string) error {
	client, err := ask.client()
	if err != nil {
		return err
	}
	query.Limit = math.MaxInt
	listed, err := gather(cmd.Context(), client, query)
	if err != nil {
		return fmt.Errorf("parked export: %w", explain(err))
	}
	rows := exported(listed)
	if format == "csv" {
		err = writeCSV(cmd.OutOrStdout(), rows)
	} else {
		err = writeLines(cmd.OutOrStdout(), rows)
	}
	if err != nil {
		return fmt.Errorf("parked export: %w", err)
	}
	return nil
}

// exportedRow is a parked object with what to do about it.
type exportedRow struct {
	Mapping   string     `json:"mapping"`
	Code      string     `json:"code"`
	Message   string     `json:"message"`
	Who       string     `json:"who"`
	Do        string     `json:"what_to_do"`
	Object    string     `json:"object"`
	Key       string     `json:"key"`
	Operation string     `json:"operation"`
	Attempts  int        `json:"attempts"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
	Next      *time.Time `json:"next,omitempty"`
	Committed time.Time  `json:"committed"`
	ID        string     `json:"id"`
}

// exported puts the objects of a group together, the largest group first.
func exported(p admin.Parked) []exportedRow {
	type group struct{ mapping, code string }
	place := map[group]int{}
	for i, g := range p.Groups {
		place[group{g.Mapping, g.Code}] = i
	}
	entries := slices.Clone(p.Entries)
	slices.SortStableFunc(entries, func(a, b admin.Entry) int {
		return cmp.Compare(place[group{a.Mapping, a.Code}], place[group{b.Mapping, b.Code}])
	})
	rows := make([]exportedRow, 0, len(entries))
	for _, e := range entries {
		r := remedy.For(e.Code)
		rows = append(rows, exportedRow{e.Mapping, e.Code, e.Message, r.Who, r.Do, e.Object, e.Key, e.Operation, e.Attempts, e.First, e.Last, e.Next, e.Committed, e.ID})
	}
	return rows
}

func writeLines(w io.Writer, rows []exportedRow) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range rows {
		if err := encoder.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func writeCSV(w io.Writer, rows []exportedRow) error {
	out := csv.NewWriter(w)
	table := [][]string{{"mapping", "code", "message", "who", "what to do", "object", "key", "operation", "attempts", "first", "last", "next try", "committed", "id"}}
	for _, r := range rows {
		next := ""
		if r.Next != nil {
			next = r.Next.UTC().Format(time.RFC3339)
		}
		table = append(table, []string{cell(r.Mapping), cell(r.Code), cell(r.Message), r.Who, r.Do, cell(r.Object), cell(r.Key), r.Operation, strconv.Itoa(r.Attempts),
			r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339), next, r.Committed.UTC().Format(time.RFC3339), r.ID})
	}
	return out.WriteAll(table)
}

// cell keeps a spreadsheet from taking text of others for a formula.
func cell(text string) string {
	if strings.IndexAny(text, "=+-@\t\r") == 0 {
		return "'" + text
	}
	return text
}
