// Package backfill says which rows of a table are to be sent while the stream
// runs, and where among its changes they belong.
//
// A table is read in chunks, each as of one snapshot. The stream meanwhile
// brings changes of the same rows, some of which the snapshot has and some of
// which it lacks. A Follower watches the stream for that: from the opening of
// its window, before the snapshot, to the mark that the reader of the chunk has
// put into the write-ahead log behind the snapshot. At the mark, what a
// transaction has touched that the snapshot did not see is dropped, as the
// stream had it newer; all else goes into the order of changes there.
//
// Whether a snapshot has a change is told by the numbers of transactions and not
// by positions: PostgreSQL streams a commit as soon as it is in the write-ahead
// log, and shows it to others only later, with synchronous standbys much later.
//
// The promise: what is kept at the mark is as the row was there, as far as the
// stream tells; a row that had gone by then is not kept; a row that is dropped
// either comes whole with the stream or is asked for again. The limits: rows are
// told apart by a key that a unique constraint covers at once, and all of which
// the stream carries of an old row; what changes rows without changes in the
// stream (ALTER TABLE … USING, TRUNCATE of a partition that is published as part
// of its root) is not seen.
//
// It is pure: who reads and waits is replication and pipeline.
package backfill
