package replication

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Stream opens the replication stream at from: transactions whose commit
// record starts before it are not sent. Zero means the slot's own position.
// The end of ctx breaks the Stream at any time, with context.Cause(ctx).
//
// A server takes any position without a word, so Stream looks first, on the
// connection it is going to use: it refuses a slot that is ahead of from
// (Gap), a server whose WAL ends before from (ServerBehind), and a slot that
// is missing, lost or unsuitable. Nothing is acknowledged by starting.
func (s *Source) Stream(ctx context.Context, from pgoutput.LSN) (*Stream, error) {
	approach, err := s.Approach(ctx)
	if err != nil {
		return nil, err
	}
	return approach.Stream(ctx, from)
}

// start brings a connection that has been looked at to the running copy.
func (s *Source) start(ctx context.Context, conn *pgconn.PgConn, look *look, from pgoutput.LSN) (*Stream, error) {
	if err := look.check(s.Slot, from); err != nil {
		return nil, err
	}
	if from == 0 {
		from = look.slot.Confirmed
	}
	if err := startCopy(ctx, conn, s.startCommand(from, look.version)); err != nil {
		return nil, fmt.Errorf("start replication of slot %s: %w", s.Slot, startError(err))
	}
	if n := conn.Frontend().ReadBufferLen(); n != 0 {
		return nil, problem(Protocol, "%d bytes were read before the stream took over", n)
	}
	stream := &Stream{
		server:   look.endpoint,
		interval: or(s.StatusInterval, defaultStatusInterval),
		silence:  s.silenceLimit(look.senderTimeout),
		silences: &s.silences,
		logger:   s.logger(),
	}
	if look.senderTimeout > 0 {
		stream.interval = min(stream.interval, look.senderTimeout/3)
	}
	stream.received.Store(uint64(from))
	return stream, nil
}

func (s *Source) silenceLimit(senderTimeout time.Duration) time.Duration {
	limit := or(s.SilenceLimit, max(defaultSilenceLimit, 2*senderTimeout/3+20*time.Second))
	for range s.silences.Load() {
		if 2*limit > largestSilenceLimit {
			break
		}
		limit *= 2
	}
	return limit
}

// ask opens an ordinary session to the very server a stream is connected to,
// and closes it.
func (s *Source) ask(ctx context.Context, network, address string) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	config.Fallbacks, config.ValidateConnect = nil, nil
	conn, err := connect(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Source) startCommand(from pgoutput.LSN, version int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "START_REPLICATION SLOT %s LOGICAL %s (proto_version '1', publication_names '%s'",
		pgx.Identifier{s.Slot}.Sanitize(), from,
		strings.ReplaceAll(pgx.Identifier{s.Publication}.Sanitize(), "'", "''"))
	if s.Messages && version >= 140000 {
		b.WriteString(", messages 'true'")
	}
	b.WriteString(")")
	return b.String()
}

// startCopy sends the command and waits for the copy to begin.
func startCopy(ctx context.Context, conn *pgconn.PgConn, command string) error {
	conn.Frontend().Send(&pgproto3.Query{String: command})
	if err := conn.Frontend().Flush(); err != nil {
		return err
	}
	for {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			return problem(Protocol, "%T instead of the start of the copy", m)
		}
	}
}

// look is what a stream must know before it starts.
type look struct {
	endpoint      Endpoint
	end           pgoutput.LSN
	version       int
	senderTimeout time.Duration
	slot          *catalog.Slot
}

// look asks on the replication connection itself: another connection may
// reach another server.
func (s *Source) look(ctx context.Context, conn *pgconn.PgConn) (*look, error) {
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("identify system: %w", ofWalsender(err))
	}
	l := &look{
		endpoint: Endpoint{System: system.SystemID, Timeline: system.Timeline, Database: system.DBName},
		end:      pgoutput.LSN(system.XLogPos),
	}
	rows, err := querySimple(ctx, conn, `SELECT current_setting('server_version_num'), current_setting('bytea_output'),
		current_setting('extra_float_digits'), (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')`)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if len(rows) != 1 || len(rows[0]) != 4 {
		return nil, problem(Protocol, "the server's settings came as %d rows", len(rows))
	}
	row := rows[0]
	if string(row[1]) != format["bytea_output"] || string(row[2]) != format["extra_float_digits"] {
		return nil, problem(Session, "the session has bytea_output %s and extra_float_digits %s", row[1], row[2])
	}
	if l.version, err = strconv.Atoi(string(row[0])); err != nil {
		return nil, problem(Protocol, "server version: %w", err)
	}
	milliseconds, err := strconv.Atoi(string(row[3]))
	if err != nil {
		return nil, problem(Protocol, "wal_sender_timeout: %w", err)
	}
	l.senderTimeout = time.Duration(milliseconds) * time.Millisecond
	l.slot, err = slotOn(ctx, conn, s.Slot)
	return l, err
}

func (l *look) check(slot string, from pgoutput.LSN) error {
	if l.slot == nil {
		return problem(SlotMissing, "replication slot %s does not exist", slot)
	}
	if err := SlotError(l.slot, l.endpoint.Database); err != nil {
		return err
	}
	if from != 0 && l.slot.Confirmed > from {
		return problem(Gap, "replication slot %s stands at %s, beyond the position %s to start from", slot, l.slot.Confirmed, from)
	}
	if l.end < from {
		return problem(ServerBehind, "the server's WAL ends at %s, before the position %s to start from", l.end, from)
	}
	return nil
}
