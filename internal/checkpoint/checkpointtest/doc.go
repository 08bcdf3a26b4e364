// Package checkpointtest is what a store has to pass, whatever it keeps its state
// in: Run holds one against everything that packages checkpoint, pipeline and
// daemon rely on.
//
// The promise: a store that passes keeps a Save whole or not at all, gives back
// every field of it, and loses nothing that it called durable, when its process
// is killed at any write, when power is lost, when its disk is full, and when a
// sync fails. Memory is a store that passes; a test plants mistakes in it, each of
// which Run must find. The limits: files, versions and migrations are a store's
// own.
package checkpointtest
