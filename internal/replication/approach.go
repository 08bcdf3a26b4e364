package replication

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Seen is what a connection that is about to stream sees of its server.
type Seen struct {
	Endpoint
	// End is where the server's WAL ends.
	End pgoutput.LSN
	// Slot is nil when it does not exist.
	Slot *catalog.Slot
}

// Approach is a connection that is about to stream. What it sees is true of the
// very server that it will stream from: another connection, by the same URL, may
// reach another one. It is for one goroutine. Stream or Close ends it.
type Approach struct {
	source           *Source
	conn             *pgconn.PgConn
	wire             *wire
	network, address string
	look             *look
}

// Approach connects as Stream does, and looks, and starts nothing yet. The end
// of ctx breaks it.
func (s *Source) Approach(ctx context.Context) (*Approach, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if held := s.held.Swap(nil); held != nil {
		return held, nil
	}
	a, err := s.approach(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	if a.look, err = s.look(ctx, a.conn); err != nil {
		a.Close(ctx)
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return a, nil
}

// approach connects; adjust, where it is set, changes how.
func (s *Source) approach(ctx context.Context, adjust func(*pgconn.Config)) (*Approach, error) {
	a := &Approach{source: s}
	conn, err := s.connectReplication(ctx, func(config *pgconn.Config) {
		if adjust != nil {
			adjust(config)
		}
		config.BuildFrontend = func(r io.Reader, out io.Writer) *pgproto3.Frontend {
			a.wire = newWire(r)
			return pgproto3.NewFrontend(a.wire, out)
		}
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, n, addr string) (net.Conn, error) {
			a.network, a.address = n, addr
			conn, err := dial(ctx, n, addr)
			if err != nil {
				return nil, err
			}
			return keepDetachable(conn), nil
		}
	})
	a.conn = conn
	return a, err
}

// Seen returns what was seen.
func (a *Approach) Seen() Seen {
	return Seen{Endpoint: a.look.endpoint, End: a.look.end, Slot: a.look.slot}
}

// Left returns where the server's history left a timeline: the end of what the
// two have in common. It is zero when that timeline is not in the history of
// the server's own, or is its own.
func (a *Approach) Left(ctx context.Context, timeline int32) (pgoutput.LSN, error) {
	if a.look.endpoint.Timeline <= 1 {
		return 0, nil // the first timeline has no history
	}
	rows, err := querySimple(ctx, a.conn, fmt.Sprintf("TIMELINE_HISTORY %d", a.look.endpoint.Timeline))
	if err != nil {
		return 0, fmt.Errorf("read history of timeline %d: %w", a.look.endpoint.Timeline, err)
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return 0, problem(Protocol, "the history of timeline %d came as %d rows", a.look.endpoint.Timeline, len(rows))
	}
	left, err := leftAt(rows[0][1], timeline)
	if err != nil {
		return 0, problem(Protocol, "read history of timeline %d: %w", a.look.endpoint.Timeline, err)
	}
	return left, nil
}

// leftAt finds a timeline in a history file: one line for each timeline before,
// with its number, where it was left, and a reason.
func leftAt(history []byte, timeline int32) (pgoutput.LSN, error) {
	for line := range bytes.Lines(history) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if len(fields) < 2 {
			return 0, fmt.Errorf("a line of %d fields", len(fields))
		}
		parent, err := strconv.ParseInt(string(fields[0]), 10, 32)
		if err != nil {
			return 0, fmt.Errorf("a timeline that is no number")
		}
		lsn, err := pgoutput.ParseLSN(string(fields[1]))
		if err != nil {
			return 0, fmt.Errorf("a position that is none")
		}
		if int32(parent) == timeline {
			return lsn, nil
		}
	}
	return 0, nil
}

// Stream starts to stream at from, as Source.Stream does. It ends the Approach
// either way.
func (a *Approach) Stream(ctx context.Context, from pgoutput.LSN) (*Stream, error) {
	stream, err := a.start(ctx, from)
	if err != nil {
		a.Close(ctx)
		return nil, fmt.Errorf("open stream: %w", err)
	}
	stream.run(ctx)
	return stream, nil
}

func (a *Approach) start(ctx context.Context, from pgoutput.LSN) (*Stream, error) {
	stream, err := a.source.start(ctx, a.conn, a.look, from)
	if err != nil {
		return nil, err
	}
	hijacked, err := a.conn.Hijack()
	if err != nil {
		return nil, err
	}
	stream.conn, stream.wire = hijacked.Conn, a.wire
	a.wire.gatherOn(hijacked.Conn)
	skimmed := &skim{wire: a.wire, need: a.source.needs, rels: func(id uint32) *pgoutput.Relation { return stream.decoder.Relation(id) }}
	a.wire.large = skimmed.next
	stream.probe = func(ctx context.Context) error { return a.source.ask(ctx, a.network, a.address) }
	return stream, nil
}

// Close ends the connection.
func (a *Approach) Close(ctx context.Context) { closeQuietly(ctx, a.conn) }
