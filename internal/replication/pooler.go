package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ofPooler recognises the refusal of pgbouncer and of those that took its words
// over: a server takes the parameter replication, and names an unknown one in
// another way.
func ofPooler(err *pgconn.PgError) bool {
	return strings.HasPrefix(strings.ToLower(err.Message), "unsupported startup parameter")
}

// ofWalsender tells the error of a replication command from a session that does
// not know such commands: a pooler may leave out what it was asked for.
func ofWalsender(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42601" { // a syntax error
		return problem(Pooler, "the session was asked for replication and is an ordinary one")
	}
	return err
}

// Probe opens a replication session, asks the server for its name, and closes
// it: a server that answers queries need not take replication, as behind a
// pooler. It needs a free walsender for a moment.
func (s *Source) Probe(ctx context.Context, server Server) error {
	conn, err := s.connectReplication(ctx, nil)
	if err != nil {
		return fmt.Errorf("open a replication session: %w", err)
	}
	defer closeQuietly(ctx, conn)
	rows, err := querySimple(ctx, conn, "IDENTIFY_SYSTEM")
	switch {
	case err != nil:
		return fmt.Errorf("identify the server: %w", ofWalsender(err))
	case len(rows) != 1 || len(rows[0]) == 0:
		return problem(Protocol, "IDENTIFY_SYSTEM has no answer")
	}
	if system := string(rows[0][0]); system != server.System {
		return problem(Configuration, "the replication session is of server %s and an ordinary one of %s: the hosts of the source url are not one cluster", system, server.System)
	}
	return nil
}
