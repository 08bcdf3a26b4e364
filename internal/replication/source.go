// Package replication is PostgreSQL's side of cdcsync: it inspects a source
// database, makes its publication and slot, and reads committed changes from
// the logical replication stream (plugin pgoutput, protocol version 1, text
// format; PostgreSQL 13 and later).
//
// A Source says which database, slot and publication; its methods use a
// connection of their own for the time of the call. Source.Stream opens a
// Stream, which hands out every message in the order of the server, complete,
// and acknowledges a position only when Acknowledge was called with it or a later one.
//
// The package promises that the server is never told to forget a change that
// was not acknowledged: not by a keepalive, not by a position of zero, not by a
// position that this connection has not received. It does not decide where to
// start and keeps nothing durable; a Stream that ends is opened again by the
// caller. Streaming of open transactions, two-phase commit and binary values
// are not asked for, and are errors when they come.
//
// Values come as text in one fixed form, whatever the settings of server,
// database and role: UTF-8 (of a SQL_ASCII database the bytes as they are), ISO dates, UTC, full float precision, hex bytea.
package replication

import (
	"context"
	"log/slog"
	"net"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Source is a database whose changes are read. Its methods may be called from
// several goroutines at once; the fields may not be changed meanwhile.
type Source struct {
	// URL is a libpq URL or key=value string. PG* variables, the password
	// file and the service file fill what it leaves out. They are read anew
	// for every connection.
	URL string
	// Reveal, when set, returns the URL in place of URL. It is asked for every
	// connection, so that a password may change meanwhile; while it fails, or
	// returns what cannot be used, there is no connection (File).
	Reveal func() (string, error)
	// Slot is the replication slot: 1 to 63 of a-z, 0-9 and _.
	Slot string
	// Publication is the name of the publication.
	Publication string
	// Needs says which values a Stream's reader looks at. One that it does not
	// look at may come as null where it is so large that holding it would cost
	// memory for nothing. Nil means all of them.
	Needs func(table catalog.TableName, column string) bool
	// Renamed, when set, reports whether a table of the stream, by its OID, has
	// another name than the one that Needs knows it by. All of it is needed then.
	Renamed func(table catalog.TableName, oid uint32) bool
	// PublishNeeded has CreatePublication list the columns that Needs names, with
	// those of the replica identity, where the server can (PostgreSQL 15). A
	// table whose replica identity is FULL keeps all: a list would make every
	// UPDATE of it fail.
	PublishNeeded bool
	// Messages asks for what pg_logical_emit_message writes, too; the content
	// of a large one is left out.
	Messages bool
	// StatusInterval is the longest time between two statuses to the server.
	// Zero means 10 seconds. A Stream uses a third of the server's
	// wal_sender_timeout when that is shorter.
	StatusInterval time.Duration
	// SilenceLimit is how long a Stream waits for a server that sends nothing
	// although it was asked to. Zero means 60 seconds, or two thirds of
	// wal_sender_timeout and 20 seconds when that is longer. After a stream
	// that ended so, the next one waits twice as long, up to 10 minutes:
	// a server may also be silent because it skips a huge transaction.
	SilenceLimit time.Duration
	// SlotTimeout bounds the creation of a slot, which waits for every
	// transaction that is open and has written. Zero means one minute.
	SlotTimeout time.Duration
	// LockTimeout bounds how long a statement of ours waits for a lock on a table.
	// Zero means DefaultLockTimeout. It is tried again, by whoever asked.
	LockTimeout time.Duration
	// ConnectTimeout bounds a connection attempt to one host when URL has no
	// connect_timeout. Zero means 30 seconds.
	ConnectTimeout time.Duration
	// Dial makes the network connections. Nil means TCP or a Unix socket,
	// with keepalive.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger gets debug messages. Nil means none.
	Logger *slog.Logger

	// silences counts the streams in a row that ended with Silent.
	silences atomic.Int32
	// held is the session of a temporary slot, until somebody streams over it.
	held atomic.Pointer[Approach]
	// used is the URL that was used last.
	used atomic.Pointer[string]
}

// Changed reports whether Reveal gives another URL than the last one used.
func (s *Source) Changed() bool {
	used := s.used.Load()
	if s.Reveal == nil || used == nil {
		return false
	}
	url, err := s.Reveal()
	return err == nil && url != *used
}

// DefaultLockTimeout is how long a statement of ours waits for a lock: whoever
// waits for one may keep others waiting, and those may be the application.
const DefaultLockTimeout = 2 * time.Second

const (
	defaultStatusInterval = 10 * time.Second
	defaultSilenceLimit   = 60 * time.Second
	largestSilenceLimit   = 10 * time.Minute
	defaultSlotTimeout    = time.Minute
	defaultConnectTimeout = 30 * time.Second
	// closeTimeout bounds the end of a session.
	closeTimeout = 5 * time.Second
)

func (s *Source) needs(rel *pgoutput.Relation, column int) bool {
	name := catalog.TableName{Schema: rel.Schema, Name: rel.Name}
	return s.Needs == nil || s.Needs(name, rel.Columns[column].Name) || s.Renamed != nil && s.Renamed(name, rel.ID)
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Validate checks what can be checked without the server.
func (s *Source) Validate() error {
	if !slotName.MatchString(s.Slot) {
		return problem(Configuration, "slot name %q is not 1 to 63 of a-z, 0-9 and _", s.Slot)
	}
	if s.Publication == "" || len(s.Publication) > 63 {
		return problem(Configuration, "publication name %q is not of 1 to 63 bytes", s.Publication)
	}
	_, err := s.config(false)
	return err
}

func (s *Source) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// or returns d, or what zero stands for.
func or(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}
