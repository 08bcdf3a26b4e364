package replication

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// tupleOf is a tuple of texts; nil is null.
func tupleOf(values ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		if v == nil {
			b = append(b, 'n')
			continue
		}
		b = binary.BigEndian.AppendUint32(append(b, 't'), uint32(len(v)))
		b = append(b, v...)
	}
	return b
}

func xlogData(payload ...[]byte) []byte {
	return framed('d', append(append([]byte{'w'}, make([]byte, dataHeader-1)...), bytes.Join(payload, nil)...))
}

// TestSkim: what nobody needs of a large message is passed over, everything else
// comes as it was sent, however the network cuts it.
func TestSkim(t *testing.T) {
	big, small := bytes.Repeat([]byte("b"), 2*usualBuffer+3), []byte("small")
	wanted := &pgoutput.Relation{ID: 7, Schema: "public", Name: "t", Columns: make([]pgoutput.Column, 3)}
	other := &pgoutput.Relation{ID: 8, Schema: "public", Name: "u", Columns: make([]pgoutput.Column, 1)}
	id := func(n byte) []byte { return []byte{0, 0, 0, n} }
	logical := func(content []byte) []byte {
		b := append([]byte{'M', 1}, make([]byte, 8)...)
		b = append(b, "prefix\x00"...)
		return append(binary.BigEndian.AppendUint32(b, uint32(len(content))), content...)
	}
	tests := []struct {
		name       string
		sent, want []byte
	}{
		{"needed", xlogData([]byte("I"), id(7), []byte("N"), tupleOf(small, big, nil)), nil},
		{"not needed", xlogData([]byte("I"), id(7), []byte("N"), tupleOf(small, small, big)),
			xlogData([]byte("I"), id(7), []byte("N"), tupleOf(small, small, nil))},
		{"both tuples", xlogData([]byte("U"), id(7), []byte("O"), tupleOf(small, nil, big), []byte("N"), tupleOf(nil, big, big)),
			xlogData([]byte("U"), id(7), []byte("O"), tupleOf(small, nil, nil), []byte("N"), tupleOf(nil, big, nil))},
		{"a table of nobody", xlogData([]byte("D"), id(8), []byte("O"), tupleOf(big)),
			xlogData([]byte("D"), id(8), []byte("O"), tupleOf(nil))},
		{"a logical message", xlogData(logical(big)), xlogData(logical(nil))},
		{"an unknown table", xlogData([]byte("I"), id(9), []byte("N"), tupleOf(big)), nil},
		{"another number of columns", xlogData([]byte("I"), id(8), []byte("N"), tupleOf(big, small)), nil},
		{"a value longer than its message", xlogData([]byte("I"), id(8), []byte("N\x00\x01t\x7f\xff\xff\xff"), big), nil},
		{"another kind", xlogData([]byte("?"), big), nil},
		{"no data", framed('d', append([]byte("x"), big...)), nil},
	}
	readers := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "halves": iotest.HalfReader,
	}
	for _, tt := range tests {
		for cut, reader := range readers {
			t.Run(tt.name+", "+cut, func(t *testing.T) {
				want := tt.want
				if want == nil {
					want = tt.sent
				}
				w := newWire(reader(bytes.NewReader(append(bytes.Clone(tt.sent), framed('Z', small)...))))
				s := &skim{wire: w,
					need: func(rel *pgoutput.Relation, column int) bool { return rel == wanted && column < 2 },
					rels: func(id uint32) *pgoutput.Relation { return map[uint32]*pgoutput.Relation{7: wanted, 8: other}[id] }}
				w.large = s.next
				if kind, body, err := w.next(); err != nil || kind != 'd' || !bytes.Equal(body, want[5:]) {
					t.Errorf("got %q of %d bytes, %v; want %d bytes", kind, len(body), err, len(want)-5)
				}
				if kind, body, err := w.next(); err != nil || kind != 'Z' || string(body) != "small" {
					t.Errorf("behind it: %q %q %v", kind, body, err)
				}
				if len(w.buf) != usualBuffer || w.bytes.Load() != uint64(len(tt.sent)+5+len(small)) {
					t.Errorf("a buffer of %d bytes, %d bytes counted", len(w.buf), w.bytes.Load())
				}
			})
		}
		for _, at := range []int{6, 40, usualBuffer, len(tt.sent) - 1} {
			w := newWire(strings.NewReader(string(tt.sent[:at])))
			s := &skim{wire: w, need: func(*pgoutput.Relation, int) bool { return false }, rels: func(uint32) *pgoutput.Relation { return other }}
			w.large = s.next
			if _, _, err := w.next(); err != io.ErrUnexpectedEOF {
				t.Errorf("%s, cut after %d bytes: %v, want unexpected EOF", tt.name, at, err)
			}
		}
	}
}

// TestNeedsOfARenamedTable: what Needs says goes by the names of now.
func TestNeedsOfARenamedTable(t *testing.T) {
	s := &Source{
		Needs:   func(table catalog.TableName, column string) bool { return table.Name == "thing" && column == "a" },
		Renamed: func(table catalog.TableName, oid uint32) bool { return oid == 7 && table.Name != "thing" },
	}
	columns := []pgoutput.Column{{Name: "a"}, {Name: "b"}}
	for _, tt := range []struct {
		rel    pgoutput.Relation
		column int
		want   bool
	}{
		{pgoutput.Relation{ID: 7, Name: "thing", Columns: columns}, 0, true},
		{pgoutput.Relation{ID: 7, Name: "thing", Columns: columns}, 1, false},
		{pgoutput.Relation{ID: 7, Name: "old", Columns: columns}, 1, true},
		{pgoutput.Relation{ID: 8, Name: "other", Columns: columns}, 0, false},
	} {
		if got := s.needs(&tt.rel, tt.column); got != tt.want {
			t.Errorf("%s (%d), column %d: needed %t, want %t", tt.rel.Name, tt.rel.ID, tt.column, got, tt.want)
		}
	}
}
