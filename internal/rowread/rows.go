package rowread

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Key asks for the rows of one key.
type Key struct {
	// Values are those of the key columns, as text.
	Values []string
	// XID is the transaction that must be visible; zero means any.
	XID uint32
	// Folded asks, where no row has the key exactly, for those that have it but
	// for upper and lower case and blanks at the end. It takes the server a look
	// at the whole table where no index is of help.
	Folded bool
}

// MostRows is how many rows of a key are read, no more.
const MostRows = 200

// RowError says that the server cannot read a row as it is, however often it is
// asked: its data is damaged, or what the table computes of it fails. The text
// has no value of the row.
type RowError struct {
	// State is the server's SQLSTATE.
	State string
}

func (e *RowError) Error() string {
	return "the server cannot read the row (SQLSTATE " + e.State + "); its log says more"
}

// Rows reads the rows of many keys at once, and calls found once for each key
// with its number: with no row when there is none, with several when the key is
// not unique: two, or with Several MostRows, at most. A row has a Null or Text for every column of Relation,
// in the text form of the stream, and owns its memory. A key that is no value of
// its columns' types, which have changed then, is that of no row.
//
// A key's error is ErrNotVisible where the snapshot was taken before the
// transaction of the key could be seen, or a *RowError. Any other error ends
// the reading: the keys that found was not called for are not answered.
func (s *Snapshot) Rows(ctx context.Context, keys []Key, found func(key int, rows [][]pgoutput.Value, err error)) error {
	if err := s.readRows(ctx, keys, found); err != nil {
		return fmt.Errorf("read rows of %s.%s: %w", s.Table.Schema, s.Table.Name, withRemedy(err))
	}
	return nil
}

func (s *Snapshot) readRows(ctx context.Context, keys []Key, found func(int, [][]pgoutput.Value, error)) error {
	var seen, folded []int
	for i, key := range keys {
		if len(key.Values) != len(s.key) {
			return fmt.Errorf("%d key columns and %d values", len(s.key), len(key.Values))
		}
		visible := s.Seen.See(key.XID)
		switch {
		case visible && key.Folded && s.Several:
			folded = append(folded, i)
		case visible:
			seen = append(seen, i)
		default:
			found(i, nil, ErrNotVisible)
		}
	}
	exactly := func(i int, rows [][]pgoutput.Value, err error) {
		if err == nil && len(rows) == 0 && keys[i].Folded {
			folded = append(folded, i)
			return
		}
		found(i, rows, err)
	}
	if err := s.readAll(ctx, s.rowsQuery(false), keys, seen, exactly); err != nil || len(folded) == 0 {
		return err
	}
	if err := s.prepareFold(ctx); err != nil {
		return err
	}
	return s.readAll(ctx, s.rowsQuery(true), keys, folded, found)
}

// readAll reads the rows of the keys numbered in these. What is wrong with one
// of them keeps the others from being read with it: then each half is read by
// itself.
func (s *Snapshot) readAll(ctx context.Context, sql string, keys []Key, these []int, found func(int, [][]pgoutput.Value, error)) error {
	if len(these) == 0 {
		return nil
	}
	read, err := s.query(ctx, sql, keys, these, found)
	if err == nil || !ofRow(err) {
		return err
	}
	if err := s.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT row").Close(); err != nil {
		return err
	}
	these = these[read:]
	if len(these) == 1 {
		return s.diagnose(ctx, keys, these[0], err, found)
	}
	half := len(these) / 2
	if err := s.readAll(ctx, sql, keys, these[:half], found); err != nil {
		return err
	}
	return s.readAll(ctx, sql, keys, these[half:], found)
}

// query reads rows, and returns how many of the keys were answered.
func (s *Snapshot) query(ctx context.Context, sql string, keys []Key, these []int, found func(int, [][]pgoutput.Value, error)) (read int, err error) {
	parameters := make([][]byte, len(s.key))
	formats := make([]int16, len(s.key))
	for i := range s.key {
		parameters[i], formats[i] = textArray(keys, these, i), 1
	}
	rows := s.conn.ExecParams(ctx, sql, parameters, nil, formats, nil)
	var own [][]pgoutput.Value
	answer := func(until int) {
		for ; read < until; read++ {
			found(these[read], own, nil)
			own = nil
		}
	}
	for rows.NextRow() {
		n, err := strconv.Atoi(string(rows.Values()[0]))
		if err != nil || n <= read || n > len(these) {
			_, closed := rows.Close()
			return read, errors.Join(fmt.Errorf("a row came for key %q of %d", rows.Values()[0], len(these)), closed)
		}
		answer(n - 1)
		if len(own) < MostRows {
			own = append(own, rowValues(rows.Values()[1:]))
		}
	}
	if _, err := rows.Close(); err != nil {
		return read, err
	}
	answer(len(these))
	return read, nil
}

// diagnose answers a key whose row cannot be read: is it the row, or the key?
func (s *Snapshot) diagnose(ctx context.Context, keys []Key, key int, cause error, found func(int, [][]pgoutput.Value, error)) error {
	values := make([][]byte, len(s.key))
	for i, v := range keys[key].Values {
		values[i] = []byte(v)
	}
	err := s.conn.ExecParams(ctx, s.valuesQuery(), values, nil, nil, nil).Read().Err
	switch {
	case err == nil:
		found(key, nil, &RowError{sqlState(cause)})
		return nil
	case !ofRow(err):
		return err
	case ofValue(err):
		found(key, nil, nil)
	default:
		found(key, nil, &RowError{sqlState(err)})
	}
	return s.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT row").Close()
}

const textOID = 25

// textArray is a text[] of the values of one key column, in binary form.
func textArray(keys []Key, these []int, column int) []byte {
	texts := make([]string, len(these))
	for i, key := range these {
		texts[i] = keys[key].Values[column]
	}
	return arrayOf(texts)
}

// arrayOf is a text[] in binary form.
func arrayOf(texts []string) []byte {
	var b []byte
	for _, n := range []int{1, 0, textOID, len(texts), 1} { // dimensions, nulls, element, length, first index
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	for _, text := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return b
}

// rowValues copies a row.
func rowValues(row [][]byte) []pgoutput.Value {
	size := 0
	for _, text := range row {
		size += len(text)
	}
	memory := make([]byte, 0, size)
	values := make([]pgoutput.Value, len(row))
	for i, text := range row {
		if text != nil {
			from := len(memory)
			memory = append(memory, text...)
			values[i] = pgoutput.Value{Kind: pgoutput.Text, Text: memory[from:len(memory):len(memory)]}
		}
	}
	return values
}

// ofValue reports whether an error of a cast of a text says that it is no value
// of the type: a data exception, or, as some types call it, a syntax error or an
// unknown name. The server's words may repeat the value.
func ofValue(err error) bool {
	return ofRow(err) && (sqlState(err)[:2] == "22" || sqlState(err)[:2] == "42")
}

// OfRow reports whether an error of reading may be that of one row: its data is
// damaged, or what the table computes of it fails.
func OfRow(err error) bool { return err != nil && ofRow(err) && sqlState(err)[:2] != "42" }

// ofRow reports whether an error of a query over a locked table may be that of
// one row: not the connection's, not of a kind that passes, and not one that
// every row would have. For the classes see the appendix "PostgreSQL Error
// Codes".
func ofRow(err error) bool {
	state := sqlState(err)
	if len(state) != 5 || state == "42501" { // no right, or row security
		return false
	}
	switch state[:2] {
	case "08", "25", "28", "3D", "3F", "40", "53", "55", "57", "58":
		return false
	}
	return true
}
