package pgoutput

import "time"

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
