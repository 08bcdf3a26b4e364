package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// behaviour is what else we rely on. No setting of server, database or role may
// end a session of ours, make it wait, or give a statement another meaning.
var behaviour = map[string]string{
	// Whose names are found without a schema: PostgreSQL's own alone.
	"search_path":                         "pg_catalog, pg_temp",
	"default_transaction_read_only":       "off",
	"default_transaction_isolation":       "read committed",
	"default_transaction_deferrable":      "off",
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_in_transaction_session_timeout": "0",
	"exit_on_error":                       "off",
	"standard_conforming_strings":         "on",
	"quote_all_identifiers":               "off",
	"array_nulls":                         "on",
}

// youngTimeouts takes away the timeouts that not all versions know, and that as
// startup parameters would be refused by the others.
const youngTimeouts = `SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
	WHERE name IN ('idle_session_timeout', 'transaction_timeout')`

// idleInTransaction is how long an ordinary session of ours may hold a
// transaction open, and with it locks, while this process stands still.
const idleInTransaction = "60s"

// anyBytes is the encoding of a database that takes text of any encoding.
const anyBytes = "SQL_ASCII"

// problem makes an Error.
func problem(reason Reason, text string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(text, args...)}
}

// Connect opens an ordinary session whose values have the same text form as
// the stream's, and whose reads fail rather than being filtered by row
// security. It waits for a lock no longer than LockTimeout, and for no standby.
// Names without a schema are those of pg_catalog. The caller closes it.
func (s *Source) Connect(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := s.config(false)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["row_security"] = "off"
	config.RuntimeParams["synchronous_commit"] = "local"
	config.RuntimeParams["lock_timeout"] = strconv.FormatInt(or(s.LockTimeout, DefaultLockTimeout).Milliseconds(), 10)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = idleInTransaction
	return connect(ctx, config)
}

// connectReplication opens a walsender session, which understands simple
// queries and replication commands only.
func (s *Source) connectReplication(ctx context.Context, adjust func(*pgconn.Config)) (*pgconn.PgConn, error) {
	config, err := s.config(true)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = "database"
	// The right to replicate is that of the login, whatever role it acts as
	// (ALTER ROLE … SET role) to own or to read tables.
	config.RuntimeParams["role"] = "none"
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
	encoding := "UTF8"
	if conn.ParameterStatus("server_encoding") == anyBytes {
		// The server would have to convert what it does not know the encoding
		// of, and one value that it cannot take for UTF-8 would end the stream
		// again and again. As they are, it is one value that is wrong.
		encoding = anyBytes
		if _, err := querySimple(ctx, conn, "SET client_encoding = '"+anyBytes+"'"); err != nil {
			closeQuietly(ctx, conn)
			return nil, fmt.Errorf("connect as %s to database %s: set client_encoding: %w", config.User, config.Database, err)
		}
	}
	for reported, want := range map[string]string{
		"client_encoding": encoding, "DateStyle": "ISO", "IntervalStyle": "postgres", "TimeZone": "UTC",
	} {
		got, _, _ := strings.Cut(conn.ParameterStatus(reported), ",")
		if got != "" && got != want {
			closeQuietly(ctx, conn)
			return nil, problem(Session, "the session has %s %s, not %s", reported, got, want)
		}
	}
	if _, err := conn.Exec(ctx, youngTimeouts).ReadAll(); err != nil {
		closeQuietly(ctx, conn)
		return nil, fmt.Errorf("prepare the session: %w", err)
	}
	return conn, nil
}

// oneLine shows the errors of several attempts in one line.
type oneLine struct{ err error }

func (o oneLine) Error() string {
	var lines []string
	for line := range strings.FieldsFuncSeq(o.err.Error(), func(r rune) bool { return r == '\n' || r == '\t' }) {
		if !slices.Contains(lines, line) { // with and without TLS, most often
			lines = append(lines, line)
		}
	}
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
