package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// marketoTimeout bounds what a check waits for Marketo.
const marketoTimeout = 30 * time.Second

func checkCommand() *cobra.Command {
	var file string
	var asJSON, offline, yes bool
	var probed string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Look at everything a start needs, and say how to fix what is wrong",
		Long: `Look at everything a start needs, and say how to fix what is wrong.

Check reads the configuration, looks at PostgreSQL (server, role, slot,
publication, every mapped table), at Marketo (credentials; over REST also the
object types), and at the state file, and says how a start would begin, and
whether it would halt over what waits in the slot: PostgreSQL decodes up to
100,000 messages of it, for 30 seconds at most, while nobody reads from it. It
changes nothing on either side. It takes one of the day's Marketo calls, and
over REST one more for each mapping. They are counted with those of the daemon:
by it while it runs, else in its state file.

--probe TYPE does something else: it asks a type, which you make in Marketo for
that, over REST what the documentation leaves open: whether keys that differ in
case or blanks at the end are one, whether two calls at once make one object, and
what nulls, empty texts and unknown fields do. It writes objects and deletes them
again, asks before, unless --yes is given, and keeps the answers beside the state
file, where check shows them and run logs them.

It exits with 0 when nothing is wrong, 1 when something could not be looked
at, 2 when something must be fixed, and 3 when a start would be refused
because changes would be lost.`,
		Example: `  cdcsync check -c cdcsync.yaml
  cdcsync check -c cdcsync.yaml --offline
  cdcsync check -c cdcsync.yaml --json
  cdcsync check -c cdcsync.yaml --probe probe_c`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("probe") {
				if probed == "" || offline {
					return usageError{errors.New("--probe takes a custom object type that was made for it, and no --offline")}
				}
				return probeType(cmd, file, probed, yes, asJSON)
			}
			c := &checkup{patient: patientOn(cmd.ErrOrStderr())}
			c.examine(cmd.Context(), file, offline)
			var err error
			if asJSON {
				err = c.writeJSON(cmd.OutOrStdout())
			} else {
				err = c.writeText(cmd.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("check: %w", err)
			}
			return c.verdict()
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&offline, "offline", false, "look at the configuration only")
	cmd.Flags().StringVar(&probed, "probe", "", "ask this custom object type, which was made for it, what Marketo leaves open")
	cmd.Flags().BoolVar(&yes, "yes", false, "with --probe, do not ask")
	return cmd
}

// checkup is everything a check has found.
type checkup struct {
	sections []section
	refusal  *checkpoint.Refusal
	// patient is told while a look takes long; zero for nobody.
	patient patient
}

// section is what was found in one place.
type section struct {
	name     string
	findings []preflight.Finding
}

func (c *checkup) add(name string, findings ...preflight.Finding) {
	c.sections = append(c.sections, section{name, findings})
}

// count returns the number of findings of a level.
func (c *checkup) count(level preflight.Level) int {
	n := 0
	for _, s := range c.sections {
		for _, f := range s.findings {
			if f.Level == level {
				n++
			}
		}
	}
	return n
}

// refusedStart is a refusal that the findings tell in full.
type refusedStart struct{ refusal *checkpoint.Refusal }

func (r refusedStart) Error() string {
	return "check: a start would be refused (" + r.refusal.Code + "); the findings say why, and what to do"
}

func (r refusedStart) Unwrap() error { return r.refusal }

// verdict is the error whose exit code the check ends with.
func (c *checkup) verdict() error {
	failed, unseen := c.count(preflight.Fail), c.count(preflight.Unseen)
	switch {
	case c.refusal != nil:
		return refusedStart{c.refusal}
	case failed > 0:
		return usageError{fmt.Errorf("check: %d of the findings must be fixed", failed)}
	case unseen > 0:
		return fmt.Errorf("check: %d of the checks could not be made", unseen)
	}
	return nil
}

// examine looks at one place after the other.
func (c *checkup) examine(ctx context.Context, file string, offline bool) {
	conf := c.examineConfig(file)
	if conf == nil {
		return
	}
	if offline {
		c.add("Not looked at", preflight.Finding{Check: "offline", Level: preflight.Skipped, Detail: "PostgreSQL, the tables, Marketo and the state file"})
		return
	}
	source, err := daemon.Source(conf.Source)
	if err != nil {
		c.add("PostgreSQL", preflight.Connection("connection", err))
	}
	kept := readState(ctx, conf.State.SQLite)
	end := c.patient.while("looking at PostgreSQL and the tables")
	x := c.examineSource(ctx, conf, source, kept)
	end()
	end = c.patient.while("asking Marketo")
	c.examineMarketo(ctx, conf, x)
	end()
	end = c.patient.while("looking at the state and at what waits in the slot")
	c.examineState(ctx, conf, source, kept, x)
	end()
}

// examineConfig returns nil for a configuration with mistakes.
func (c *checkup) examineConfig(file string) *config.Config {
	const name = "Configuration"
	conf, err := config.Load(file, os.LookupEnv)
	var mistakes config.Mistakes
	switch {
	case errors.As(err, &mistakes):
		var findings []preflight.Finding
		for _, m := range mistakes {
			findings = append(findings, mistakeFinding(preflight.Fail, m))
		}
		c.add(name, findings...)
		return nil
	case err != nil:
		c.add(name, preflight.Finding{Check: "file", Level: preflight.Fail, Detail: err.Error(), Remedy: preflight.Remedy{Words: "name the configuration with -c"}})
		return nil
	}
	findings := []preflight.Finding{{Check: "file", Detail: fmt.Sprintf("%s: mappings: %d, tables: %d", file, conf.Set.Len(), len(conf.Set.Tables()))}}
	for _, w := range conf.Warnings {
		findings = append(findings, mistakeFinding(preflight.Warn, w))
	}
	c.add(name, findings...)
	return conf
}

func mistakeFinding(level preflight.Level, m config.Mistake) preflight.Finding {
	check := m.Path
	if check == "" {
		check = "file"
	}
	m.Path = "" // it stands in the check
	return preflight.Finding{Check: check, Level: level, Detail: m.Error()}
}

// examineSource holds PostgreSQL against configuration and state, as a start does.
// It returns nil when that could not be done.
func (c *checkup) examineSource(ctx context.Context, conf *config.Config, source *replication.Source, kept keptState) *daemon.Examination {
	if source == nil {
		return nil
	}
	x, err := daemon.Examine(ctx, conf, source, daemon.Known{State: kept.known()})
	if err = cmp.Or(err, x.SourceErr); err != nil {
		c.add("PostgreSQL", preflight.Connection("connection", err))
		return nil
	}
	var general, perTable []preflight.Finding
	for _, f := range append(x.Source.Findings, preflight.Replication(ctx, source, x.Server)) {
		if f.Table != "" {
			perTable = append(perTable, f)
		} else {
			general = append(general, f)
		}
	}
	c.add("PostgreSQL", general...)
	c.add("Tables", perTable...)
	return &x
}

func (c *checkup) examineMarketo(ctx context.Context, conf *config.Config, x *daemon.Examination) {
	const name = "Marketo"
	var tables []catalog.Table
	if x != nil {
		tables = x.Source.Tables
	}
	admission := &admission{config: conf}
	client, err := daemon.Client(conf.Marketo, admission.admit)
	if err != nil {
		c.add(name, preflight.Finding{Check: "login", Level: preflight.Fail, Detail: err.Error(), Remedy: preflight.Remedy{Words: "correct the marketo section"}})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, marketoTimeout)
	defer cancel()
	findings := preflight.Marketo(ctx, client, conf.Set, tables...)
	if err := admission.close(); err != nil {
		findings = append(findings, preflight.Finding{Check: "calls", Level: preflight.Warn,
			Detail: "the calls of this check are not counted with those of the daemon: " + err.Error(), Remedy: preflight.Remedy{Words: "leave it a minute before the next start"}})
	}
	c.add(name, append(findings, probeFindings(conf)...)...)
}
