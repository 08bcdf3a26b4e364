package checkpoint

// Deletions is how many objects of a mapping were deleted lately, so that a
// restart does not let it delete as many again.
type Deletions struct {
	// Mapping is its name.
	Mapping string
	// Held is set while it waits for somebody's word to delete more.
	Held bool
	// Free is the minute since 1970 before which it deletes what it wants to,
	// as somebody released it; 0 for none.
	Free int64
	// Minutes counts the objects that were deleted, by minute since 1970.
	Minutes map[int64]int
}
