package pgoutput_test

import (
	"bytes"
	"testing"

	"github.com/jackc/pglogrepl"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
)

// FuzzDecoder feeds two messages to a decoder in the middle of a transaction.
// It must not panic, must fail again on a message that failed, and must agree
// with an independent decoder on what a message says.
func FuzzDecoder(f *testing.F) {
	for _, first := range valid() {
		for _, second := range valid() {
			f.Add([]byte(first), []byte(second))
		}
	}
	f.Add([]byte{}, []byte{'I'})
	f.Add([]byte(pgoutputtest.Begin(200)), []byte{'S', 0, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d pgoutput.Decoder
		decodeAll(t, &d, pgoutputtest.Begin(100), pgoutputtest.People("id", "name"))
		for _, data := range [][]byte{first, second} {
			before := bytes.Clone(data)
			m, err := d.Decode(data)
			if !bytes.Equal(before, data) {
				t.Fatalf("Decode changed its input to %q", data)
			}
			if err != nil {
				if _, again := d.Decode(data); again == nil || again.Error() != err.Error() {
					t.Fatalf("the same bytes: first %v, then %v", err, again)
				}
				continue
			}
			compare(t, m, data)
		}
	})
}

// compare checks a decoded message against pglogrepl's reading of it.
func compare(t *testing.T, m pgoutput.Message, data []byte) {
	t.Helper()
	other, err := pglogrepl.Parse(data)
	if err != nil {
		t.Fatalf("%T: the other decoder says %v", m, err)
	}
	same := false
	switch m := m.(type) {
	case *pgoutput.Begin:
		o := other.(*pglogrepl.BeginMessage)
		same = m.Final == pgoutput.LSN(o.FinalLSN) && m.XID == o.Xid
	case *pgoutput.Commit:
		o := other.(*pglogrepl.CommitMessage)
		same = m.LSN == pgoutput.LSN(o.CommitLSN) && m.End == pgoutput.LSN(o.TransactionEndLSN)
	case *pgoutput.Relation:
		same = sameRelation(m, other.(*pglogrepl.RelationMessage))
	case *pgoutput.Type:
		o := other.(*pglogrepl.TypeMessage)
		same = m.ID == o.DataType && m.Name.Name == o.Name
	case *pgoutput.Change:
		same = sameChange(m, other)
	case *pgoutput.Truncate:
		o := other.(*pglogrepl.TruncateMessage)
		same = len(m.Relations) == len(o.RelationIDs)
		for i := range m.Relations {
			same = same && m.Relations[i].ID == o.RelationIDs[i]
		}
	case *pgoutput.Logical:
		o := other.(*pglogrepl.LogicalDecodingMessage)
		same = m.LSN == pgoutput.LSN(o.LSN) && m.Prefix == o.Prefix && bytes.Equal(m.Content, o.Content)
	case *pgoutput.Origin:
		o := other.(*pglogrepl.OriginMessage)
		same = m.Name == o.Name
	}
	if !same {
		t.Fatalf("got %+v, the other decoder has %+v", m, other)
	}
}

func sameRelation(m *pgoutput.Relation, o *pglogrepl.RelationMessage) bool {
	if m.ID != o.RelationID || m.Name != o.RelationName || len(m.Columns) != len(o.Columns) {
		return false
	}
	for i, c := range m.Columns {
		oc := o.Columns[i]
		if c.Name != oc.Name || c.Type != oc.DataType || c.Modifier != oc.TypeModifier || c.Key != (oc.Flags&1 != 0) {
			return false
		}
	}
	return true
}

func sameChange(m *pgoutput.Change, other pglogrepl.Message) bool {
	switch o := other.(type) {
	case *pglogrepl.InsertMessage:
		return m.Operation == pgoutput.Insert && m.Old == nil && sameRow(m.New, o.Tuple)
	case *pglogrepl.UpdateMessage:
		return m.Operation == pgoutput.Update && sameRow(m.Old, o.OldTuple) && sameRow(m.New, o.NewTuple) &&
			m.OldIsKey == (o.OldTupleType == 'K')
	case *pglogrepl.DeleteMessage:
		return m.Operation == pgoutput.Delete && m.New == nil && sameRow(m.Old, o.OldTuple) && m.OldIsKey == (o.OldTupleType == 'K')
	}
	return false
}

func sameRow(values []pgoutput.Value, o *pglogrepl.TupleData) bool {
	if o == nil {
		return values == nil
	}
	if len(values) != len(o.Columns) {
		return false
	}
	kinds := map[uint8]pgoutput.Kind{'n': pgoutput.Null, 'u': pgoutput.Unchanged, 't': pgoutput.Text}
	for i, v := range values {
		if kinds[o.Columns[i].DataType] != v.Kind || !bytes.Equal(v.Text, o.Columns[i].Data) {
			return false
		}
	}
	return true
}
