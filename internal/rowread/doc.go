// Package rowread reads rows of tables: by their keys, many at once, for writes
// that the stream does not carry whole; those of other tables that mappings take
// values from; and a whole table in parts, a Chunk at a time, for the rows that
// were there before the stream.
//
// The promise: every Read that was asked for is answered once, by a RowRead. The
// row is as of one moment at which the transaction that was asked for is visible,
// so that it is never older than what the stream brought; and the answer says
// which transactions it has, so that later changes of them are known again. What
// is wrong with one row is told of that row alone. The server is a guest's: a
// table is locked as weakly as there is (ACCESS SHARE), before the snapshot, no
// lock is waited for longer than Source.LockTimeout, a snapshot is held for a
// hundred rows or one query at most, and there are four sessions at most beside
// the one that reads chunks and the one that looks up what the stream lacks.
//
// Every write goes through LookUp before it is delivered, of whatever feed: it
// puts in what the mapping takes from other tables, of each write all or nothing.
//
// The limits: it decides nothing of an object. A row that cannot be read is
// answered with an error, and whoever asked asks again; only Lookups waits for what
// is in the way, as the stream cannot go on without. Answers come in any order. A
// value that is looked up may be newer than the change that it is for. A search for other spellings of a key costs the server a
// look at the whole table where it has no index of the expression.
package rowread
