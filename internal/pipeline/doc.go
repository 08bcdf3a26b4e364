// Package pipeline is the shell around delivery's Machine: a Runner reads the
// stream and maps its changes, carries out what the machine decides, and brings
// back what came of it. It owns the goroutines, the clock, the connection, the
// calls and the store.
//
// The promise: the machine gets everything that was read, in order, and the
// answer to each of its effects; a position is acknowledged to PostgreSQL only
// where the machine said so, which is after a synced save. Run ends in order, or
// says that it did not. The limits: it decides nothing of its own about an
// object; what a connection is good for is replication's word, and whether going
// on is safe is checkpoint's.
package pipeline
