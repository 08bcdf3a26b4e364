// Package pgoutputtest builds pgoutput messages for tests, right and wrong ones:
// nothing checks what is put together.
package pgoutputtest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Message builds a pgoutput message field by field.
type Message []byte

// Byte returns m with a byte more. So do the others: Text with a value, its kind
// and length before it, Tuple with a row and its number of columns.
func (m Message) Byte(b byte) Message      { return append(m, b) }
func (m Message) U16(v int) Message        { return binary.BigEndian.AppendUint16(m, uint16(v)) }
func (m Message) U32(v uint32) Message     { return binary.BigEndian.AppendUint32(m, v) }
func (m Message) U64(v uint64) Message     { return binary.BigEndian.AppendUint64(m, v) }
func (m Message) CString(s string) Message { return append(append(m, s...), 0) }
func (m Message) Text(s string) Message    { return append(m.Byte('t').U32(uint32(len(s))), s...) }
func (m Message) Tuple(vs ...any) Message  { return m.U16(len(vs)).Values(vs...) }

// Values appends each string as text, nil as null and a bool as unchanged.
func (m Message) Values(vs ...any) Message {
	for _, v := range vs {
		switch v := v.(type) {
		case nil:
			m = m.Byte('n')
		case bool:
			m = m.Byte('u')
		case string:
			m = m.Text(v)
		}
	}
	return m
}

// Start begins a message of a kind.
func Start(kind byte) Message { return Message{kind} }

// Begin is that of a transaction whose commit record starts at final.
func Begin(final uint64) Message { return Start('B').U64(final).U64(1_000_000).U32(77) }

// Commit is that of a transaction whose commit record is at lsn and ends at end.
func Commit(lsn, end uint64) Message { return Start('C').Byte(0).U64(lsn).U64(end).U64(2_000_000) }

// People describes relation 16385, public.people, whose columns are of type text and
// whose first one is its key.
func People(columns ...string) Message {
	m := Start('R').U32(16385).CString("public").CString("people").Byte('d').U16(len(columns))
	for i, c := range columns {
		key := byte(0)
		if i == 0 {
			key = 1
		}
		m = m.Byte(key).CString(c).U32(25).U32(0xffffffff)
	}
	return m
}

// Show renders values for comparing: null, unchanged, and text in quotes.
func Show(values []pgoutput.Value) string {
	if values == nil {
		return "-"
	}
	parts := make([]string, len(values))
	for i, v := range values {
		switch v.Kind {
		case pgoutput.Null:
			parts[i] = "null"
		case pgoutput.Unchanged:
			parts[i] = "unchanged"
		case pgoutput.Text:
			parts[i] = fmt.Sprintf("%q", v.Text)
		}
	}
	return strings.Join(parts, " ")
}
