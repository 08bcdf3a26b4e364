package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/probe"
)

// probeType asks a custom object type that was made for it, and keeps the answers.
func probeType(cmd *cobra.Command, file, objectType string, yes, asJSON bool) error {
	conf, err := config.Load(file, os.LookupEnv)
	if err != nil {
		return usageError{err}
	}
	for _, d := range conf.Mappings {
		if strings.EqualFold(d.Object, objectType) {
			return usageError{fmt.Errorf("check: custom object %s is written by mapping %s; a probe writes and deletes objects, so make a type for it", printable(objectType), d.Name)}
		}
	}
	if conf.Marketo.REST == nil {
		return usageError{errors.New("check: a probe needs the REST API; configure marketo.rest")}
	}
	if !yes {
		what := fmt.Sprintf("up to %d calls are made, and some objects of %s created, which sets off campaigns that wait for that, and deleted again", probe.MostCalls, printable(objectType))
		if yes, err = agreed(cmd, "", what); err != nil {
			return fmt.Errorf("check: %w", err)
		} else if !yes {
			return errors.New("check: nothing was written")
		}
	}
	record, err := probeWith(cmd.Context(), conf, objectType)
	if left := len(record.Left); left > 0 {
		err = errors.Join(err, fmt.Errorf("%s could not be deleted: remove those whose keys begin with cdcsync-probe- from %s in marketo", objects(left), printable(objectType)))
	}
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	record.Endpoint = conf.Marketo.REST.Endpoint
	path := probe.Path(conf.State.SQLite)
	if err := record.Save(path); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if asJSON {
		return writeIndented(cmd.OutOrStdout(), record)
	}
	var b strings.Builder
	for _, a := range record.Answers {
		fmt.Fprintf(&b, "%-20s %-15s %s\n", strings.ReplaceAll(a.Question, "_", " "), a.Answer, printable(a.Means))
	}
	fmt.Fprintf(&b, "kept in %s\n", path)
	_, err = io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}

func probeWith(ctx context.Context, conf *config.Config, objectType string) (probe.Record, error) {
	admission := &admission{config: conf}
	client, err := daemon.Client(conf.Marketo, admission.admit)
	if err != nil {
		return probe.Record{}, err
	}
	record, err := probe.Run(ctx, client.(probe.API), admission.admit, objectType)
	return record, errors.Join(err, admission.close())
}

// probeFindings show what a probe has found out.
func probeFindings(conf *config.Config) (findings []preflight.Finding) {
	record, ok, err := probe.Load(probe.Path(conf.State.SQLite))
	switch {
	case err != nil:
		return []preflight.Finding{{Check: "probe", Level: preflight.Warn, Detail: err.Error()}}
	case !ok:
		return nil
	case conf.Marketo.REST == nil || conf.Marketo.REST.Endpoint != record.Endpoint:
		return []preflight.Finding{{Check: "probe", Level: preflight.Warn, Detail: "what a probe has found out is of another endpoint", Remedy: preflight.Remedy{Words: "probe again: cdcsync check --probe TYPE"}}}
	}
	for _, a := range record.Answers {
		findings = append(findings, preflight.Finding{
			Check:  "probe: " + strings.ReplaceAll(a.Question, "_", " "),
			Detail: printable(a.Means) + " (" + printable(record.Type) + ", " + record.At.Local().Format(clock) + ")",
		})
	}
	return findings
}
