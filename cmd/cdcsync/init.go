package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/conninfo"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/scaffold"
)

// initFlags are what init is told.
type initFlags struct {
	source, sourceFile, api string
	output                  string
	slot, publication       string
	all, force              bool
}

func initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [TABLE[=OBJECT]...]",
		Short: "Propose a configuration for tables of a database",
		Long: `Propose a configuration for tables of a database.

Init looks at the tables and writes a mapping for each: columns with their
types, a key from the primary key or a unique index, which column probably links
the object to a lead (or a lookup of the e-mail address, where a foreign key leads
to a table with one), and as comments what cannot be mapped and why. TABLE is
schema.table or table; at a terminal init asks when none is named.

The database is what DATABASE_URL, --source or the PG* variables of the
environment say. Where MARKETO_ENDPOINT, MARKETO_CLIENT_ID and
MARKETO_CLIENT_SECRET are set, Marketo is asked which object types there are (a
call, and one more for each type), and columns get the fields of the same names,
compared without case and underscores. Where it does not answer, nothing is written.
Nothing is changed on either side, and no secret is written.

It exits with 0 when at least one table is mapped, 1 when none could be.`,
		Example: `  cdcsync init -o cdcsync.yaml
  cdcsync init public.orders public.visits=roadShow_c -o cdcsync.yaml
  cdcsync init --all --source "service=shop"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all && len(args) > 0 {
				return usageError{errors.New("name tables, or give --all, not both")}
			}
			if f.source != "" && f.sourceFile != "" {
				return usageError{errors.New("give one of --source and --source-file")}
			}
			if f.api != "rest" && f.api != "soap" {
				return usageError{fmt.Errorf("--api %q: allowed are rest and soap", f.api)}
			}
			return f.run(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "every table")
	flags.StringVarP(&f.output, "output", "o", "", "the file to write; standard output when left out")
	flags.BoolVar(&f.force, "force", false, "overwrite the file")
	flags.StringVar(&f.source, "source", "", "the database, as source.url has it, in place of DATABASE_URL")
	flags.StringVar(&f.sourceFile, "source-file", "", "a file with that, as source.url_file has it")
	flags.StringVar(&f.slot, "slot", config.Default().Source.Slot, "the replication slot")
	flags.StringVar(&f.publication, "publication", config.Default().Source.Publication, "the publication")
	flags.StringVar(&f.api, "api", "rest", "the API that the configuration is for: rest or soap")
	return cmd
}

func (f *initFlags) run(cmd *cobra.Command, args []string) error {
	if f.output != "" && !f.force {
		if _, err := os.Lstat(f.output); err == nil {
			return usageError{fmt.Errorf("%s is there already; name another file, or use --force", f.output)}
		}
	}
	file := scaffold.File{Schema: config.SchemaName, Slot: f.slot, Publication: f.publication, SOAP: f.api == "soap"}
	url, err := f.database(&file)
	if err != nil {
		return err
	}
	source, err := daemon.Source(config.Source{URL: url, Slot: f.slot, Publication: f.publication})
	if err != nil {
		return usageError{err}
	}
	slow := patientOn(cmd.ErrOrStderr())
	end := slow.while("connecting to PostgreSQL")
	session, err := source.Catalog(cmd.Context())
	end()
	if err != nil {
		found := preflight.Connection("connection", err)
		return fmt.Errorf("init: %s; %s", found.Detail, found.Remedy)
	}
	defer session.Close(context.WithoutCancel(cmd.Context()))
	offered, err := scaffold.Offer(cmd.Context(), session)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	wanted, err := f.choose(cmd, args, offered)
	if err != nil {
		return err
	}
	draft := scaffold.Draft{Session: session}
	if draft.Marketo, err = f.marketo(); err != nil {
		return usageError{err}
	}
	file.Asked = draft.Marketo != nil
	end = slow.while("looking at the tables, and at Marketo where it is to be asked")
	file.Proposals, file.Steps, err = draft.Propose(cmd.Context(), wanted, offered)
	end()
	var fault *marketo.Fault
	switch {
	case errors.As(err, &fault):
		return fmt.Errorf("init: nothing was written, as Marketo could not be asked: %w; mend that and run it again, or unset MARKETO_ENDPOINT: then Marketo is not asked, and object types and fields are named after tables and columns", err)
	case err != nil:
		return fmt.Errorf("init: %w", err)
	}
	return f.write(cmd, &file)
}

// database says where the database is, and how the file is to say it: never
// with a password in it.
func (f *initFlags) database(file *scaffold.File) (config.Secret, error) {
	url, set := os.LookupEnv("DATABASE_URL")
	if f.source != "" {
		url = f.source
	}
	switch {
	case f.sourceFile != "":
		path, err := filepath.Abs(f.sourceFile)
		if err != nil {
			return config.Secret{}, fmt.Errorf("init: %w", err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return config.Secret{}, fmt.Errorf("init: read --source-file: %w", err)
		}
		file.URLFile, url = path, string(text)
	case f.source != "":
		file.URL = scaffold.Scalar(f.source)
	case set && url != "":
		file.URL = "${DATABASE_URL}"
	}
	info, err := conninfo.Resolve(url, os.LookupEnv)
	if err != nil {
		return config.Secret{}, usageError{fmt.Errorf("the connection string %w", err)}
	}
	if url == "" && info.Get("host") == "" && info.Get("hostaddr") == "" {
		return config.Secret{}, usageError{errors.New("which database? set DATABASE_URL, give --source, or set PGHOST and the other PG* variables")}
	}
	if own, err := conninfo.Parse(f.source); f.source != "" && (err != nil || own.Has("password") || own.Has("sslpassword")) {
		file.URL = "${DATABASE_URL}"
	}
	if url == "" {
		return config.Secret{}, nil
	}
	return config.NewSecret(url), nil
}

// choose returns the tables that were named, or chosen at a terminal.
func (f *initFlags) choose(cmd *cobra.Command, args []string, offered []scaffold.Offered) ([]scaffold.Wanted, error) {
	var wanted []scaffold.Wanted
	for _, arg := range args {
		w, err := scaffold.ParseWanted(arg, offered)
		if err != nil {
			return nil, usageError{err}
		}
		wanted = append(wanted, w)
	}
	switch {
	case wanted != nil:
		return wanted, nil
	case len(offered) == 0:
		return nil, errors.New("init: the database has no table; is it the right one, and may the user see its schemas?")
	case f.all:
		return scaffold.Everything(offered), nil
	case !terminal(cmd.InOrStdin()):
		return nil, usageError{fmt.Errorf("which tables? name them, or use --all; there are:\n%s", scaffold.Menu(offered))}
	}
	chosen, err := scaffold.Choose(cmd.InOrStdin(), cmd.ErrOrStderr(), offered)
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	return chosen, nil
}

// marketo returns a client where the environment says how to ask; nil else.
func (f *initFlags) marketo() (*rest.Client, error) {
	endpoint, id, secret := os.Getenv("MARKETO_ENDPOINT"), os.Getenv("MARKETO_CLIENT_ID"), os.Getenv("MARKETO_CLIENT_SECRET")
	if f.api != "rest" || endpoint == "" || id == "" || secret == "" {
		return nil, nil
	}
	endpoint, err := config.RESTEndpoint(endpoint)
	if err != nil {
		return nil, fmt.Errorf("MARKETO_ENDPOINT cannot be used: %w", err)
	}
	return rest.New(rest.Config{
		Endpoint: endpoint, Timeout: config.Default().Marketo.Timeout,
		ID: config.NewSecret(id).Reveal, Secret: config.NewSecret(secret).Reveal,
	})
}

// write writes the file and what is to be said about it.
func (f *initFlags) write(cmd *cobra.Command, file *scaffold.File) error {
	if file.Mapped() == 0 {
		return fmt.Errorf("init: nothing can be mapped yet, and nothing was written:\n%s", file.Obstacles())
	}
	var err error
	if f.output == "" {
		_, err = io.WriteString(cmd.OutOrStdout(), file.Text())
	} else {
		err = file.Save(f.output, f.force)
	}
	if err == nil {
		_, err = io.WriteString(cmd.ErrOrStderr(), file.Summary(f.output))
	}
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Print the JSON Schema of the configuration, for editors: completion, and mistakes
shown while typing. Init puts it beside the file that it writes.`,
		Example: "  cdcsync schema > " + config.SchemaName,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.JSONSchema)
			return err
		},
	}
}
