package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// format is what fixes the text form of values. As startup parameters these
// win over the settings of server, database and role.
var format = map[string]string{
	"client_encoding":    "UTF8",
	"datestyle":          "ISO",
	"intervalstyle":      "postgres",
	"extra_float_digits": "3",
	"timezone":           "UTC",
	"bytea_output":       "hex",
}

// problem makes an Error.
func problem(reason Reason, text string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(text, args...)}
}

// Connect opens an ordinary session whose values have the same text form as
// the stream's, and whose reads fail rather than being filtered by row
// security. The caller closes it.
func (s *Source) Connect(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["row_security"] = "off"
	return connect(ctx, config)
}

// connectReplication opens a walsender session, which understands simple
// queries and replication commands only.
func (s *Source) connectReplication(ctx context.Context, adjust func(*pgconn.Config)) (*pgconn.PgConn, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = "database"
	if adjust != nil {
		adjust(config)
	}
	return connect(ctx, config)
}

func connect(ctx context.Context, config *pgconn.Config) (*pgconn.PgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		// The library's error carries the whole configuration, password
		// included; only what is inside goes on.
		var outer *pgconn.ConnectError
		if errors.As(err, &outer) {
			err = outer.Unwrap()
		}
		err = fmt.Errorf("connect as %s to database %s: %w", config.User, config.Database, oneLine{err})
		if Diagnose(err) == Pooler {
			err = &Error{Reason: Pooler, Err: err}
		}
		return nil, err
	}
	for reported, want := range map[string]string{
		"client_encoding": "UTF8", "DateStyle": "ISO", "IntervalStyle": "postgres", "TimeZone": "UTC",
	} {
		got, _, _ := strings.Cut(conn.ParameterStatus(reported), ",")
		if got != "" && got != want {
			closeQuietly(ctx, conn)
			return nil, problem(Session, "the session has %s %s, not %s", reported, got, want)
		}
	}
	return conn, nil
}

// oneLine shows the errors of several attempts in one line.
type oneLine struct{ err error }

func (o oneLine) Error() string {
	lines := strings.FieldsFunc(o.err.Error(), func(r rune) bool { return r == '\n' || r == '\t' })
	return strings.Join(lines, "; ")
}

func (o oneLine) Unwrap() error { return o.err }

// closeQuietly ends a session whose work is done; how it ends changes nothing.
func closeQuietly(ctx context.Context, conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// queryJSON runs a query whose answer is one JSON value, which keeps one query
// good for all server versions, and decodes it into v.
func queryJSON(ctx context.Context, conn *pgconn.PgConn, v any, sql string, args ...string) error {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	result := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 {
		return fmt.Errorf("a catalog query returned %d rows, not one", len(result.Rows))
	}
	if err := json.Unmarshal(result.Rows[0][0], v); err != nil {
		return fmt.Errorf("read a catalog query's answer: %w", err)
	}
	return nil
}

// querySimple runs one simple query or replication command, the only kind
// that a walsender knows, and returns its rows.
func querySimple(ctx context.Context, conn *pgconn.PgConn, sql string) ([][][]byte, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("a command returned %d results, not one", len(results))
	}
	return results[0].Rows, nil
}
