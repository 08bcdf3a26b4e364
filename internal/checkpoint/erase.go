package checkpoint

// Erasure is what a store is to forget: an object, and the row it is made of.
type Erasure struct {
	// MappingID is the mapping of the object, Key the object's (mapping.Write.Key).
	MappingID
	Key string
	// Texts are the values of the mapping's key columns.
	Texts []string
	// Asks reports whether a key, as it was given to a command, is that of the row.
	Asks func(key string) bool
}

// Erased counts what a store had of it, and has no more.
type Erased struct {
	// Parked and Lacking are the object's own entries, Refused those of backfills;
	// Asked counts the backfills that had asked for the row, by its key or in an
	// expression.
	Parked, Lacking, Refused, Asked int
	// Left is what could not be taken out, in words, with what to do.
	Left []string
}

// None reports whether nothing was found.
func (e *Erased) None() bool {
	return e.Parked+e.Lacking+e.Refused+e.Asked == 0 && len(e.Left) == 0
}
