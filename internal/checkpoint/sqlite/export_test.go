package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Writer lets tests look at the store's own connection, and hurt it.
func (s *Store) Writer() *sql.Conn { return s.write }

// Database lets tests open a file as another program would.
func Database(path string) (*sql.DB, error) { return database(path, 1) }

// Records lets tests feed bytes to the readers of records.
func Records(b []byte) (settled []checkpoint.Settled, keys []string, err error) {
	err = readSettled(b, func(e checkpoint.Settled) { settled = append(settled, e) })
	keys, keysErr := readKeys(b)
	return settled, keys, errors.Join(err, keysErr)
}

// SettledToRecord writes what stands for settled changes as the store does.
func SettledToRecord(to *checkpoint.SettledTo) []byte { return appendSettledTo(nil, to) }

// ReadSettledTo reads it.
func ReadSettledTo(b []byte) (*checkpoint.SettledTo, error) { return readSettledTo(b) }

// Seal makes any bytes a record with a good checksum.
func Seal(b []byte) []byte { return sealRecord(append(startRecord(nil), b...)) }

// SettledRecord writes entries as the store does.
func SettledRecord(entries []checkpoint.Settled) []byte { return appendSettled(nil, entries) }

// Checksum is the one that stores up to version 2 have with a checkpoint.
func Checksum(c checkpoint.Checkpoint) int64 { return int64(checksum(c)) }

// Calls reads a record of calls in flight.
func Calls(b []byte) ([]checkpoint.Call, error) { return readCalls(b) }

// CallsRecord writes calls as the store does.
func CallsRecord(all []checkpoint.Call) ([]byte, error) {
	c, err := writeCalls(all)
	if err != nil {
		return nil, err
	}
	return c.record, nil
}

// FormatTime writes a time as the store does.
func FormatTime(t time.Time) string { return formatTime(t) }

// Keys reads a record of keys.
func Keys(b []byte) ([]string, error) { return readKeys(b) }

// KeysRecord writes keys as store version 2 did.
func KeysRecord(keys []string) []byte {
	return sealRecord(appendPacked(append(startRecord(nil), packed), keys))
}

// PlainKeysRecord writes keys as store version 1 did.
func PlainKeysRecord(keys []string) []byte {
	b := startRecord(nil)
	for _, key := range keys {
		b = appendString(b, key)
	}
	return sealRecord(b)
}

// PlainSettledRecord writes an entry as store version 1 did.
func PlainSettledRecord(key string, through pgoutput.Position) []byte {
	return sealRecord(appendPosition(appendString(startRecord(nil), key), through))
}

// Version is the one of this release's stores.
const Version = schemaVersion

// Undo is what makes a store of this version one of version to.
func Undo(to int) string {
	return strings.Join(undone[:schemaVersion-to], ";") + fmt.Sprintf("; PRAGMA user_version = %d;", to)
}

// OpenInBoot opens a store as a machine does that was booted as boot.
func OpenInBoot(ctx context.Context, path, boot string) (*Store, error) { return open(ctx, path, boot) }

// OnLogWrittenAnew has told hear of a log that was written anew.
func OnLogWrittenAnew(told func(path string)) { writtenAnew = told }
