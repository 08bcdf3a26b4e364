package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

// CreatePublication makes the publication for exactly these tables, with all
// their rows and, unless PublishNeeded is set, all their columns. When one of them is partitioned, changes come as
// those of the partitioned table. The role must own the tables and may create
// in the database; an error about that holds the statement for somebody who
// does.
func (s *Source) CreatePublication(ctx context.Context, tables []catalog.TableName) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(tables) == 0 {
		return problem(Configuration, "create publication %s: no tables", s.Publication)
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("create publication: %w", err)
	}
	defer closeQuietly(ctx, conn)
	kinds := make([]string, len(tables))
	for i, table := range tables {
		if kinds[i], err = kindOf(ctx, conn, table); err != nil {
			return fmt.Errorf("create publication %s: %w", s.Publication, err)
		}
	}
	lists, err := s.columnLists(ctx, conn, tables)
	if err != nil {
		return fmt.Errorf("create publication %s: %w", s.Publication, err)
	}
	statement := publicationStatement(s.Publication, tables, kinds, lists)
	if _, err := conn.Exec(ctx, statement).ReadAll(); err != nil {
		return fmt.Errorf("create publication %s: %w", s.Publication, publicationError(err, statement))
	}
	return nil
}

// DropPublication drops the publication; one that is not there is no error. The
// role must own it; an error about that holds the statement for somebody who
// does.
func (s *Source) DropPublication(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return err
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return fmt.Errorf("drop publication: %w", err)
	}
	defer closeQuietly(ctx, conn)
	statement := "DROP PUBLICATION IF EXISTS " + pgx.Identifier{s.Publication}.Sanitize()
	if _, err := conn.Exec(ctx, statement).ReadAll(); err != nil {
		var server *pgconn.PgError
		if errors.As(err, &server) && server.Code == "42501" {
			return fmt.Errorf("drop publication %s: %w; as its owner, run: %s;", s.Publication, err, statement)
		}
		return fmt.Errorf("drop publication %s: %w", s.Publication, err)
	}
	return nil
}

func kindOf(ctx context.Context, conn *pgconn.PgConn, table catalog.TableName) (string, error) {
	var kind string
	err := queryJSON(ctx, conn, &kind, `SELECT to_jsonb(COALESCE((SELECT c.relkind::text FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2), ''))`, table.Schema, table.Name)
	switch {
	case err != nil:
		return "", fmt.Errorf("look up table %s.%s: %w", table.Schema, table.Name, err)
	case kind == "":
		return "", problem(TableMissing, "table %s.%s does not exist", table.Schema, table.Name)
	case kind != "r" && kind != "p":
		return "", problem(PublicationUnsuitable, "%s.%s is not a table", table.Schema, table.Name)
	}
	return kind, nil
}

// columnLists returns what each table's entry is to list; "" for all columns.
func (s *Source) columnLists(ctx context.Context, conn *pgconn.PgConn, tables []catalog.TableName) ([]string, error) {
	lists := make([]string, len(tables))
	if !s.PublishNeeded || s.Needs == nil {
		return lists, nil
	}
	for i, table := range tables {
		var columns []struct {
			Name string `json:"name"`
			Key  bool   `json:"key"`
			Full bool   `json:"full"`
		}
		err := queryJSON(ctx, conn, &columns, `SELECT COALESCE(jsonb_agg(jsonb_build_object('name', a.attname,
				'full', c.relreplident = 'f' OR current_setting('server_version_num')::int < 150000,
				'key', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
					AND `+isIdentity+`)) ORDER BY a.attnum), '[]')
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''`, table.Schema, table.Name)
		if err != nil {
			return nil, fmt.Errorf("look up columns of %s.%s: %w", table.Schema, table.Name, err)
		}
		var listed []string
		for _, c := range columns {
			if c.Full {
				listed = nil
				break
			}
			if c.Key || s.Needs(table, c.Name) {
				listed = append(listed, pgx.Identifier{c.Name}.Sanitize())
			}
		}
		if len(listed) > 0 {
			lists[i] = " (" + strings.Join(listed, ", ") + ")"
		}
	}
	return lists, nil
}

// publicationStatement names ordinary tables with ONLY: without it, tables
// that inherit from them would be published too.
func publicationStatement(publication string, tables []catalog.TableName, kinds, lists []string) string {
	names := make([]string, len(tables))
	options := ""
	for i, table := range tables {
		names[i] = pgx.Identifier{table.Schema, table.Name}.Sanitize()
		if kinds[i] == "p" {
			options = " WITH (publish_via_partition_root = true)"
		} else {
			names[i] = "ONLY " + names[i]
		}
		names[i] += lists[i]
	}
	return "CREATE PUBLICATION " + pgx.Identifier{publication}.Sanitize() + " FOR TABLE " + strings.Join(names, ", ") + options
}

func publicationError(err error, statement string) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err
	}
	reason := reasonOf(server.Code)
	switch server.Code {
	case "42710":
		reason = PublicationExists
	case "42501":
		return fmt.Errorf("%w; have the tables' owner or a superuser run: %s", err, statement)
	case "22023":
		reason = PublicationUnsuitable // a temporary, unlogged or system table
	}
	return &Error{Reason: reason, Err: err}
}
