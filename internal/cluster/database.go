package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// NewDatabase makes an empty database, encoded as UTF8, and returns its URL.
func (c *Cluster) NewDatabase(ctx context.Context, name string) (string, error) {
	err := c.session(ctx, "postgres", func(conn *pgconn.PgConn) error {
		sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
		// From PostgreSQL 15 on the template would be written to the WAL, 4 MB of
		// it, which every replication stream of the server has to read.
		if major, _, _ := strings.Cut(conn.ParameterStatus("server_version"), "."); len(major) == 2 && major >= "15" {
			sql += " STRATEGY file_copy"
		}
		return conn.Exec(ctx, sql).Close()
	})
	if err != nil {
		return "", fmt.Errorf("make database %s: %w", name, err)
	}
	return c.URL(name), nil
}

// Exec runs SQL in a database as superuser, in a session of its own. Several
// statements, separated by semicolons, are one transaction.
func (c *Cluster) Exec(ctx context.Context, database, sql string) error {
	return c.session(ctx, database, func(conn *pgconn.PgConn) error { return conn.Exec(ctx, sql).Close() })
}

func (c *Cluster) session(ctx context.Context, database string, use func(*pgconn.PgConn) error) error {
	conn, err := pgconn.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return use(conn)
}
