package checkpoint

// Cursor is how far a feed other than the stream has come: what is before it is
// settled. It is a place in a table, not in the WAL.
type Cursor struct {
	// Feed names the feed, such as Backfill.Feed.
	Feed string
	// Value is JSON that the feed writes and reads; empty when the feed is done
	// with, and then nothing is kept of it.
	Value string
}
