package replication

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// interlude handles what a server may send between the data.
func (s *Stream) interlude(kind byte, body []byte) error {
	switch kind {
	case 'N':
		return s.notice(body)
	case 'S':
		return nil // a reloaded setting; ours are fixed for the session
	case 'A':
		return nil // a notification, of no concern here
	case 'E':
		return streamError(body)
	case 'c', 'C', 'Z':
		return problem(Stopping, "the server ended the stream")
	}
	return problem(Protocol, "an unexpected message of kind %q", kind)
}

// notice ends the stream when the server says that it leaves changes out:
// PostgreSQL 18 only warns where older versions raise an error.
func (s *Stream) notice(body []byte) error {
	var n pgproto3.NoticeResponse
	if err := n.Decode(body); err != nil {
		return problem(Protocol, "a notice that cannot be read: %w", err)
	}
	// The text may be translated, the routine's name is not.
	if strings.Contains(n.Message, "skipped loading publication") ||
		n.Code == "55000" && n.Routine == "LoadPublications" {
		return problem(PublicationMissing, "the server skips changes because the publication does not exist at the slot's position (SQLSTATE %s)", n.Code)
	}
	s.logger.Debug("server notice", "severity", n.Severity, "sqlstate", n.Code, "routine", n.Routine)
	return nil
}

// streamError reads an error that ends a running stream.
func streamError(body []byte) error {
	var response pgproto3.ErrorResponse
	if err := response.Decode(body); err != nil {
		return problem(Protocol, "an error that cannot be read: %w", err)
	}
	err := pgconn.ErrorResponseToPgError(&response)
	switch err.Code {
	case "42704": // only publications are looked up while a stream runs
		return &Error{Reason: PublicationMissing, Err: err}
	case "0A000", "42P10":
		return &Error{Reason: PublicationUnsuitable, Err: err}
	case "57P03":
		return &Error{Reason: Stopping, Err: err}
	}
	if cannotSend(err) {
		return &Error{Reason: Decoding, Err: err}
	}
	if reason := reasonOfServer(err); reason.Remedy() != "" {
		return &Error{Reason: reason, Err: err}
	}
	return err
}

// cannotSend recognises an error of decoding or of a type's output function: a
// text that is not of the encoding that it should be of, a value whose text is
// larger than a server's memory chunk may be.
func cannotSend(err *pgconn.PgError) bool {
	switch err.Code {
	case "22021", "22P05", "54000":
		return true
	case "XX000":
		return strings.Contains(err.Message, "invalid memory alloc request size") || slices.Contains(allocators, err.Routine)
	case "53200":
		return strings.Contains(err.Detail, "Cannot enlarge string buffer") || err.Routine == "enlargeStringInfo"
	}
	return false
}

// allocators are the routines that refuse a memory chunk of more than a
// gigabyte, whatever language the server speaks.
var allocators = []string{"palloc", "palloc0", "palloc_extended", "repalloc", "MemoryContextAlloc", "MemoryContextAllocZero",
	"MemoryContextAllocExtended", "MemoryContextSizeFailure"}

// startError reads an error that START_REPLICATION returned.
func startError(err error) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err
	}
	reason := reasonOfServer(server)
	switch server.Code {
	case "42704":
		reason = SlotMissing
	case "55000":
		reason = SlotLost
		if server.Routine == "CheckLogicalDecodingRequirements" || strings.Contains(server.Message, "wal_level") {
			reason = NotLogical
		}
	case "22023":
		reason = SlotUnsuitable
	case "0A000":
		reason = Standby // decoding during recovery, before PostgreSQL 16
	}
	return &Error{Reason: reason, Err: err}
}
