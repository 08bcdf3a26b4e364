package checkpoint

// Filter chooses parked entries. The zero Filter chooses all of them.
type Filter struct {
	// Mapping is the name of a mapping; empty for all.
	Mapping string
	// Key is one entry's Key; empty for all.
	Key string
	// Limit is the most entries to return, zero for no limit. Offset leaves
	// that many out before them.
	Limit  int
	Offset int
	// Brief has of each entry Key, Mapping, Code, Waits, First and Last alone, in no
	// order: many are looked through sooner.
	Brief bool
}
