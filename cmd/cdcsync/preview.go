package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/preview"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// mostPreviewed is the most rows of a mapping that are shown.
const mostPreviewed = 10_000

func previewCommand() *cobra.Command {
	var file string
	var rows int
	var asJSON, offline bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "preview [MAPPING...] -c FILE",
		Short: "Show rows beside the objects they become, and what sending them costs",
		Long: `Show rows beside the objects they become, and what sending them costs.

For each mapping some rows are read, those with the lowest keys, and made objects
of by the code that delivers them. Marketo is asked what it has of these objects, so
that it shows which would be created, changed or left as they are, and why one would
be refused. Over REST that takes two calls for each object type, which describe it and
say what campaigns use it, and one for 300 rows; over SOAP a call for each row. They are
counted with those of the daemon. --offline asks nobody but the database.

What changes of the table cost in a day is told in bounds, by the statistics of
PostgreSQL since they were reset, or over --interval. cdcsync run --shadow measures it.

It changes nothing on either side, holds no lock but the weakest, and shows values
of rows.`,
		Example: `  cdcsync preview -c cdcsync.yaml
  cdcsync preview orders --rows 300 --json
  cdcsync preview --offline --interval 10m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rows < 1 || rows > mostPreviewed {
				return usageError{fmt.Errorf("--rows %d: allowed are 1 to %d", rows, mostPreviewed)}
			}
			if interval < 0 {
				return usageError{fmt.Errorf("--interval %s: it cannot be negative", interval)}
			}
			conf, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return usageError{err}
			}
			p := &previewing{conf: conf, rows: rows, offline: offline, interval: interval, says: cmd.ErrOrStderr(), patient: patientOn(cmd.ErrOrStderr())}
			if p.mappings, err = chosenMappings(conf, args); err != nil {
				return usageError{err}
			}
			return p.show(cmd.Context(), cmd.OutOrStdout(), asJSON)
		},
	}
	configFlag(cmd, &file)
	cmd.ValidArgsFunction = configuredMappings(&file)
	cmd.Flags().IntVar(&rows, "rows", 10, "how many rows of each mapping")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask Marketo")
	cmd.Flags().DurationVar(&interval, "interval", 0, "count the changes of the tables for so long, in place of PostgreSQL's statistics since their reset")
	return cmd
}

// configuredMappings completes with the mappings of a configuration that are not there
// already.
func configuredMappings(file *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, begun string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		conf, err := config.Load(*file, os.LookupEnv)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i := range conf.Set.Len() {
			if name := conf.Set.Definition(i).Name; strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// chosenMappings are the numbers of the mappings that are named; all when none is.
func chosenMappings(conf *config.Config, names []string) (all []int, err error) {
	for _, name := range names {
		if _, err := conf.Set.Find(name); err != nil {
			return nil, errors.New(printable(err.Error()))
		}
	}
	for i := range conf.Set.Len() {
		if len(names) == 0 || slices.Contains(names, conf.Set.Definition(i).Name) {
			all = append(all, i)
		}
	}
	return all, nil
}

// previewing is one run of preview.
type previewing struct {
	conf     *config.Config
	mappings []int
	rows     int
	offline  bool
	interval time.Duration
	says     io.Writer
	patient  patient

	session  *rowread.Session
	client   marketo.Client
	capacity marketo.Capacity
	known    map[string]marketo.Description
	users    map[string]usedBy
}

// previewed is what preview prints as JSON.
type previewed struct {
	Mappings []preview.Mapping `json:"mappings"`
	// Problem says what could not be asked of Marketo.
	Problem string `json:"problem,omitempty"`
}

// show prints what there is, and says of which mapping there is nothing.
func (p *previewing) show(ctx context.Context, w io.Writer, asJSON bool) error {
	shown, err := p.run(ctx)
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	if asJSON {
		err = writeIndented(w, shown)
	} else {
		_, err = io.WriteString(w, previewText(shown))
	}
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	for _, m := range shown.Mappings {
		if m.Problem != "" {
			return fmt.Errorf("preview: rows of mapping %s could not be shown", m.Mapping)
		}
	}
	return nil
}

func (p *previewing) run(ctx context.Context) (previewed, error) {
	var shown previewed
	source, err := daemon.Source(p.conf.Source)
	if err != nil {
		return shown, err
	}
	end := p.patient.while("reading rows")
	defer end()
	if p.session, err = rowread.Open(ctx, source); err != nil {
		found := preflight.Connection("connection", err)
		return shown, fmt.Errorf("%s; %s", found.Detail, found.Remedy)
	}
	defer p.session.Close(context.WithoutCancel(ctx))
	admission := &admission{config: p.conf}
	if p.client, err = daemon.Client(p.conf.Marketo, admission.admit); err != nil {
		return shown, err
	}
	p.capacity = p.client.Capacity()
	before, err := p.session.CountChanges(ctx, p.conf.Set.TableNames())
	if err != nil {
		return shown, err
	}
	shown.Problem = p.describe(ctx)
	for _, i := range p.mappings {
		m, err := p.mapping(ctx, i)
		if err != nil {
			return shown, err
		}
		shown.Mappings = append(shown.Mappings, m)
	}
	if err := admission.close(); err != nil {
		shown.Problem = "the calls are not counted with those of the daemon: " + err.Error()
	}
	return shown, p.count(ctx, before, shown.Mappings)
}

// mapping looks at one mapping.
func (p *previewing) mapping(ctx context.Context, i int) (preview.Mapping, error) {
	d := p.conf.Set.Definition(i)
	m := preview.Mapping{Mapping: d.Name, Table: d.Schema + "." + d.Table, Object: d.Object, Operation: d.Operation.String(), Rows: []preview.Row{}}
	sample, err := preview.Read(ctx, p.session, p.conf.Set, i, p.rows)
	if ctx.Err() != nil {
		return m, context.Cause(ctx)
	}
	if err != nil {
		m.Problem = err.Error()
		return m, nil
	}
	description, described := p.known[d.Object]
	if described {
		for _, f := range preflight.Object(p.conf.Set, i, description, sample.Table) {
			if f.Level != preflight.OK {
				m.Findings = append(m.Findings, f)
			}
		}
		sample.Judge(description)
	}
	p.compare(ctx, &m, sample, description)
	p.askUsers(ctx, &m)
	m.Rows = append(m.Rows, sample.Rows()...)
	rows, err := p.session.CountRows(ctx, catalog.TableName{Schema: d.Schema, Name: d.Table})
	if err != nil {
		return m, err
	}
	m.Existing = preview.ExistingOf(backfill.CostOf(rows, p.capacity.Objects, daemon.Limits(p.conf.Marketo), p.conf.Delivery.BackfillShare))
	return m, nil
}

// count bounds what changes cost in a day.
func (p *previewing) count(ctx context.Context, before rowread.Statistics, all []preview.Mapping) error {
	now, since := before, before.Since
	if p.interval > 0 {
		end := p.patient.while("counting changes for " + p.interval.String())
		select {
		case <-time.After(p.interval):
		case <-ctx.Done():
			end()
			return context.Cause(ctx)
		}
		end()
		var err error
		if now, err = p.session.CountChanges(ctx, p.conf.Set.TableNames()); err != nil {
			return err
		}
		since = before.Now
	}
	for j, i := range p.mappings {
		d := p.conf.Set.Definition(i)
		name := catalog.TableName{Schema: d.Schema, Name: d.Table}
		counted := now.Tables[name]
		if p.interval > 0 {
			counted = counted.Less(before.Tables[name])
		}
		if since.IsZero() {
			all[j].Unknown = "PostgreSQL does not say since when its statistics count; give --interval"
			continue
		}
		all[j].Daily = preview.DailyOf(counted.All(), now.Now.Sub(since), p.capacity.Objects, p.conf.Marketo.Limits.CallsPerDay)
	}
	return nil
}
