package pgoutput

import "fmt"

// Decoder turns pgoutput messages, protocol version 1 in text format, into
// Messages. It follows the chapter "Logical Replication Message Formats" of
// PostgreSQL's documentation.
//
// A Decoder reuses what it returns: a Message and everything behind it, a
// *Relation excepted, is valid until the next Decode and as long as the bytes
// it was decoded from. Decoding a row allocates nothing. Messages that were
// not asked for (streamed and two-phase transactions, binary values) are
// errors. After an error the Decoder stands where it stood before the message.
//
// The zero Decoder is ready for a new connection.
type Decoder struct {
	relations map[uint32]*Relation
	types     map[uint32]TypeName
	// recent is the relation of the last row: rows come in runs.
	recent *Relation

	// open is set between Begin and Commit, whose LSN must be final.
	open  bool
	final LSN
	// end is the end of the last transaction: commits come in order.
	end LSN

	begin    Begin
	commit   Commit
	kind     Type
	change   Change
	truncate Truncate
	logical  Logical
	origin   Origin
	old, new []Value
}

// Reset forgets everything; a new connection starts without relations.
func (d *Decoder) Reset() {
	*d = Decoder{old: d.old[:0], new: d.new[:0]}
}

// Forget drops the values of the last row, which hold on to its message.
func (d *Decoder) Forget() {
	clear(d.old[:cap(d.old)])
	clear(d.new[:cap(d.new)])
}

// Relation returns the relation of an OID as the stream described it last, nil
// when it has not.
func (d *Decoder) Relation(id uint32) *Relation { return d.relations[id] }

// TypeName returns the name of a type that the stream has described: one that
// is not built in. For a domain it is the name of the base type.
func (d *Decoder) TypeName(oid uint32) (TypeName, bool) {
	name, ok := d.types[oid]
	return name, ok
}

// InTransaction reports whether a Begin has come whose Commit has not.
func (d *Decoder) InTransaction() bool { return d.open }

// Decode decodes one message: the payload of an XLogData message, without its
// header. Values alias data. An error says what is wrong with the message; it
// holds no row value.
func (d *Decoder) Decode(data []byte) (Message, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("decode empty message")
	}
	c := cursor{rest: data[1:]}
	m := d.message(data[0], &c)
	if c.err != nil {
		return nil, fmt.Errorf("decode %s: %w", messageName(data[0]), c.err)
	}
	d.accept(m)
	return m, nil
}

func (d *Decoder) message(kind byte, c *cursor) Message {
	switch kind {
	case 'I':
		return d.decodeInsert(c)
	case 'U':
		return d.decodeUpdate(c)
	case 'D':
		return d.decodeDelete(c)
	case 'B':
		return d.decodeBegin(c)
	case 'C':
		return d.decodeCommit(c)
	case 'R':
		return d.decodeRelation(c)
	case 'Y':
		return d.decodeType(c)
	case 'T':
		return d.decodeTruncate(c)
	case 'M':
		return d.decodeLogical(c)
	case 'O':
		return d.decodeOrigin(c)
	case 'S', 'E', 'c', 'A':
		c.fail("a streamed transaction, which was not asked for")
	case 'b', 'P', 'K', 'r', 'p':
		c.fail("a two-phase transaction, which was not asked for; use a slot made with two_phase = false")
	default:
		c.fail("unknown kind of message")
	}
	return nil
}

// accept takes note of a message that was decoded without error.
func (d *Decoder) accept(m Message) {
	switch m := m.(type) {
	case *Change: // nothing to keep; first because it is the usual case
	case *Begin:
		d.open, d.final = true, m.Final
	case *Commit:
		d.open, d.end = false, m.End
	case *Relation:
		if d.relations == nil {
			d.relations = make(map[uint32]*Relation)
		}
		d.relations[m.ID] = m
		d.recent = nil
	case *Type:
		if d.types == nil {
			d.types = make(map[uint32]TypeName)
		}
		d.types[m.ID] = m.Name
	}
}

func messageName(kind byte) string {
	if name, ok := map[byte]string{
		'B': "begin", 'C': "commit", 'R': "relation", 'Y': "type", 'I': "insert", 'U': "update",
		'D': "delete", 'T': "truncate", 'M': "logical message", 'O': "origin",
	}[kind]; ok {
		return name
	}
	return fmt.Sprintf("message %q", kind)
}
