// Package confirmed remembers, in a file of its own, what Marketo has confirmed of
// objects: hashes of their attributes and no values, by a hash of their key.
//
// The promise: what is looked up is what was written last for the key, or nothing.
// It survives the death of the process at any moment, but for a page that was just
// being written, of which nothing is known then. A file that was not closed in
// order before the machine was booted anew, that belongs to something else, or
// that could not be written, is emptied: whoever asks has to do without. So there
// is nothing to repair, and the file may be thrown away at any time while nobody
// uses it.
//
// The limits: one process at a time, which the lock of the state file sees to;
// memory is about 20 bytes for every 20 objects; an object with more than some 480
// attributes is not remembered.
//
// The file is a hash table that grows page by page. An index in memory, a tree by
// the leading bits of the hash, leads to the page that an object must be on, so
// that a look is one read, and a write is a read and a write. SQLite needs five
// times the processor time for the same, as it keeps what is written from being
// torn by a loss of power, which here would be no use.
package confirmed
