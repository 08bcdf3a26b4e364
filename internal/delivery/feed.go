package delivery

// feed is whom an item is from. It says who is told that it is settled, and
// whether it may be merged: see mayMerge.
type feed uint8

const (
	// fromStream: its transaction waits for it in the window.
	fromStream feed = iota
	// fromParked: a parked object that is tried again; its entry waits for it.
	fromParked
)

// windowed reports whether a transaction waits for it.
func (it *item) windowed() bool { return it.feed == fromStream }
