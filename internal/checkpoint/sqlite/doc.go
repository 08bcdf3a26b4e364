// Package sqlite keeps what package checkpoint says must not be forgotten, in one
// SQLite file.
//
// The promise: a Save is durable as a whole or not at all, the position never
// goes back, and a store that cannot be trusted (damaged, foreign, of a newer
// release, in use) is refused and never repaired by guessing. After a sync that
// failed, a Store takes nothing more. The limits: one process per store, on a
// local disk.
package sqlite
