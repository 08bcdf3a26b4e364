package replication

import (
	"time"

	"github.com/jackc/pglogrepl"
)

// LSN is a position in the write-ahead log, written X/X in text.
type LSN = pglogrepl.LSN

// Position is the place of one change in the order of commits. Changes of one
// transaction share Commit and differ in Seq.
type Position struct {
	// Commit is the start of the transaction's commit record (BEGIN's final
	// LSN). It orders transactions and is known before their rows.
	Commit LSN
	// Seq counts the changes of the transaction that belong to a published
	// table, from 1.
	Seq uint64
}

// Compare returns -1, 0 or +1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p.Commit < q.Commit:
		return -1
	case p.Commit > q.Commit:
		return 1
	case p.Seq < q.Seq:
		return -1
	case p.Seq > q.Seq:
		return 1
	}
	return 0
}

// Kind says which of three different things a Value is.
type Kind uint8

const (
	// Null is SQL NULL.
	Null Kind = iota
	// Unchanged is a TOASTed value that the server did not send because the
	// update left it alone. It is neither null nor empty.
	Unchanged
	// Text is the value in the type's text format.
	Text
)

// Value is one column's value. Text aliases the message it came from and is
// valid only until the next message is received.
type Value struct {
	Kind Kind
	Text []byte
}

// Column describes one column of a Relation.
type Column struct {
	Name string
	// Type is the OID of the column's type; for a domain, the domain's.
	Type uint32
	// Modifier is the type modifier, -1 for none.
	Modifier int32
	// Key is set when the column belongs to the replica identity. Under FULL
	// it is set on every column.
	Key bool
}

// Identity is a relation's REPLICA IDENTITY, as pg_class.relreplident has it.
type Identity byte

const (
	IdentityDefault Identity = 'd'
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f'
	IdentityIndex   Identity = 'i'
)

func (i Identity) String() string {
	switch i {
	case IdentityDefault:
		return "DEFAULT"
	case IdentityNothing:
		return "NOTHING"
	case IdentityFull:
		return "FULL"
	case IdentityIndex:
		return "USING INDEX"
	}
	return "unknown"
}

// Relation is a table as the stream describes it. A new Relation replaces the
// old one when the table changes; one that was handed out never changes.
type Relation struct {
	ID       uint32
	Schema   string
	Name     string
	Identity Identity
	Columns  []Column
}

// TypeName is the name of a type outside pg_catalog, or of the base type of a
// domain (then Schema is "pg_catalog" for a built-in one).
type TypeName struct {
	Schema string
	Name   string
}

// Operation is what happened to a row.
type Operation uint8

const (
	Insert Operation = iota
	Update
	Delete
)

func (op Operation) String() string {
	return [...]string{"insert", "update", "delete"}[op]
}

// Message is one decoded message of the stream: *Begin, *Commit, *Relation,
// *Type, *Change, *Truncate, *Logical, *Origin or *Keepalive. The pointer and
// everything behind it, *Relation excepted, is valid only until the next one.
type Message interface{ message() }

// Begin opens a transaction. Everything up to its Commit belongs to it.
type Begin struct {
	// Final is the start of the commit record.
	Final LSN
	Time  time.Time
	XID   uint32
}

// Commit ends a transaction.
type Commit struct {
	// LSN equals Begin.Final.
	LSN LSN
	// End is the position to acknowledge once the transaction is settled:
	// acknowledging LSN instead would have the transaction sent again.
	End  LSN
	Time time.Time
}

// Type names a type that is not built in, before a Relation uses its OID.
type Type struct {
	ID   uint32
	Name TypeName
}

// Change is one committed row operation.
type Change struct {
	Relation  *Relation
	Operation Operation
	// Old is the row before the change as far as the replica identity sends
	// it: nil when it was not sent. It has a value for every column.
	Old []Value
	// OldIsKey is set when only the columns of the replica identity are
	// meaningful in Old; all others are Null there.
	OldIsKey bool
	// New is the row after the change; nil for a Delete.
	New []Value
}

// Truncate empties relations.
type Truncate struct {
	Relations []*Relation
	Cascade   bool
	Restart   bool
}

// Logical is a message written by pg_logical_emit_message.
type Logical struct {
	Transactional bool
	LSN           LSN
	Prefix        string
	Content       []byte
}

// Origin names where a replicated transaction came from; it is not used.
type Origin struct{ Name string }

// Keepalive is the server's sign of life outside the data.
type Keepalive struct {
	// WALEnd is the end of the last record the server has decoded. Outside a
	// transaction everything before it has been received.
	WALEnd LSN
	// Reply is set when the server wants a status at once.
	Reply bool
}

func (*Begin) message()     {}
func (*Commit) message()    {}
func (*Relation) message()  {}
func (*Type) message()      {}
func (*Change) message()    {}
func (*Truncate) message()  {}
func (*Logical) message()   {}
func (*Origin) message()    {}
func (*Keepalive) message() {}
