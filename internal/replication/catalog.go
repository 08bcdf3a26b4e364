package replication

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// Catalog is a session for questions that belong together: one server answers
// them, and they cost it one connection. It is not for several goroutines at
// once. Close ends it.
type Catalog struct {
	Source *Source
	conn   *pgconn.PgConn
}

// Catalog opens a session to ask over.
func (s *Source) Catalog(ctx context.Context) (*Catalog, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &Catalog{s, conn}, nil
}

// Conn is the session's connection, for what is more than a question.
func (c *Catalog) Conn() *pgconn.PgConn { return c.conn }

// Close ends the session.
func (c *Catalog) Close(ctx context.Context) { closeQuietly(ctx, c.conn) }

// JSON runs a query whose answer is one JSON value, and decodes it into v.
func (c *Catalog) JSON(ctx context.Context, v any, sql string, args ...string) error {
	return queryJSON(ctx, c.conn, v, sql, args...)
}
