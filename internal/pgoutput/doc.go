// Package pgoutput is what the stream of logical replication says: positions,
// tables as the stream describes them, transactions and their row changes, and
// the Decoder that reads them out of PostgreSQL's output plugin of that name.
//
// It is pure: bytes in, values out, no connection and no clock. It promises
// never to panic and never to read beyond a message, whatever the bytes are; a
// message that it does not know, or did not ask for, is an error. It knows
// protocol version 1 in text format, and does not interpret values: that is
// mapping's.
package pgoutput
