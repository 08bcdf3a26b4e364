package pgoutput

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, in bytes; 0 is none.
type LSN uint64

// String writes X/X: the upper and the lower half, in hexadecimal.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads what String and PostgreSQL write.
func ParseLSN(text string) (LSN, error) {
	upper, lower, ok := strings.Cut(text, "/")
	high, err := strconv.ParseUint(upper, 16, 32)
	if err == nil && ok {
		var low uint64
		if low, err = strconv.ParseUint(lower, 16, 32); err == nil {
			return LSN(high<<32 | low), nil
		}
	}
	return 0, fmt.Errorf("%q is not a position in the WAL, such as 0/16B3748", text)
}

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
