package cluster

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// NewDatabase makes an empty database, encoded as UTF8, and returns its URL.
func (c *Cluster) NewDatabase(ctx context.Context, name string) (string, error) {
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if err := c.Exec(ctx, "postgres", sql); err != nil {
		return "", fmt.Errorf("make database %s: %w", name, err)
	}
	return c.URL(name), nil
}

// Exec runs SQL in a database as superuser, in a session of its own. Several
// statements, separated by semicolons, are one transaction.
func (c *Cluster) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgconn.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.Exec(ctx, sql).Close()
}
