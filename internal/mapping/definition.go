package mapping

import (
	"slices"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Definition is one mapping as configured: one source table to one custom
// object type. The zero value of every policy is its default.
type Definition struct {
	Name   string
	Schema string
	Table  string
	// Object is the API name of the custom object type.
	Object string
	// Operation is Upsert, Insert or Update.
	Operation marketo.Operation
	// Key maps dedupe fields to columns of the replica identity, in the order
	// of the file; at least one, at most three.
	Key []Rule
	// Attributes maps all other attributes, in the order of the file.
	Attributes []Rule
	// Where is an expression; a row for which it is false is treated as
	// deleted. Empty means every row.
	Where    string
	OnDelete DeletePolicy
	// OnTruncate decides what a TRUNCATE of the table does.
	OnTruncate TruncatePolicy
	// Characters is the policy for characters that XML 1.0 cannot carry, in
	// attributes; in a key they are always rejected.
	Characters CharacterPolicy
	// BeyondBMP is the policy for characters beyond U+FFFF, in attributes; in
	// a key they are rejected, unless they are kept.
	BeyondBMP BeyondPolicy
	// Separate turns coalescing off: every change is sent by itself.
	Separate bool
	// Backfill says whether the rows that the table has already are sent, once.
	Backfill BackfillPolicy
}

// Rule says where one attribute's value comes from: exactly one of Column,
// Expr, Constant and Lookup, or a Lookup and an Expr over what it finds.
type Rule struct {
	Attribute string
	Column    string
	// Former holds names that Column has had, the newest first: changes that
	// were written then have it under one of them.
	Former   []string
	Expr     string
	Constant *marketo.Value
	Lookup   *Lookup
	// OmitNull leaves the attribute out where the value is null; otherwise
	// null clears it.
	OmitNull bool
}

// DeletePolicy says what a deleted row does to its object.
type DeletePolicy struct {
	// Delete removes the object.
	Delete bool
	// Set, when not empty, writes these constants to it.
	Set []Rule
}

// Ignores reports whether the object is left as it is.
func (p DeletePolicy) Ignores() bool { return !p.Delete && len(p.Set) == 0 }

// KeyColumns returns the columns that make the key, without its constants.
func (d Definition) KeyColumns() (columns []string) {
	for _, rule := range d.Key {
		if rule.Column != "" {
			columns = append(columns, rule.Column)
		}
	}
	return columns
}

// hadColumn reports whether a rule names a column as a former one.
func (d *Definition) hadColumn(name string) bool {
	return slices.ContainsFunc(slices.Concat(d.Key, d.Attributes), func(r Rule) bool { return slices.Contains(r.Former, name) })
}

// HaltsOnTruncate reports whether a TRUNCATE of the table stops delivery.
func (d Definition) HaltsOnTruncate() bool {
	return d.OnTruncate == TruncateHalt || d.OnTruncate == TruncateByDefault && !d.OnDelete.Ignores()
}

// BackfillPolicy says whether rows that were there before are sent.
type BackfillPolicy uint8

const (
	// BackfillUnsaid does not send them, and has somebody told.
	BackfillUnsaid BackfillPolicy = iota
	// BackfillNo does not.
	BackfillNo
	// BackfillYes does.
	BackfillYes
)

// TruncatePolicy says what a TRUNCATE does.
type TruncatePolicy uint8

const (
	// TruncateByDefault ignores a TRUNCATE where on_delete is ignore, and
	// halts otherwise: the rows that went are not in the stream.
	TruncateByDefault TruncatePolicy = iota
	TruncateIgnore
	TruncateHalt
)

// CharacterPolicy says what happens to characters that XML 1.0 cannot carry.
// It holds for both APIs, so that both end in the same state.
type CharacterPolicy uint8

const (
	// CharactersReject parks the object: nothing is changed silently.
	CharactersReject CharacterPolicy = iota
	// CharactersStrip leaves them out.
	CharactersStrip
	// CharactersReplace puts U+FFFD in their place.
	CharactersReplace
)

// BeyondPolicy says what happens to characters beyond U+FFFF, such as emoji:
// Marketo is reported to cut a text where the first of them stands.
type BeyondPolicy uint8

const (
	// BeyondKeep sends them.
	BeyondKeep BeyondPolicy = iota
	// BeyondReplace puts U+FFFD in their place.
	BeyondReplace
	// BeyondStrip leaves them out.
	BeyondStrip
	// BeyondReject parks the object.
	BeyondReject
)

// Write is one object operation that a change asks for. It owns its memory.
type Write struct {
	// Mapping is the index of the mapping in its Set.
	Mapping int
	// Key identifies the object among all mappings, and stays the same across
	// restarts and changes of the configuration: the custom object type in
	// lower case and the key values, each ended by a zero byte. A row whose
	// key has a Problem has a Key of its own that no object has.
	Key    string
	Object marketo.Object
	// Problem is why the object cannot be built; nil when it can. Such a
	// write takes its place in the order of its key and is parked.
	Problem *Problem
	// Operation may differ from the mapping's: deletes, and the update that
	// an on_delete set becomes.
	Operation marketo.Operation
	// Reread is set when the stream lacks values (unchanged TOAST after a key
	// change, or in where or an expression) and the row must be read from the
	// table before it is sent: Set.Row, and Set.Gone if there is none.
	Reread bool
	// Unsure is set, with Reread, when the stream lacks a value that where
	// needs: whether the row has an object at all is not known.
	Unsure bool
	// Partial is set when at least one attribute is Omitted because the
	// stream did not carry it (unchanged TOAST), not by a null policy: the
	// object is right only on top of the values that Marketo already has.
	// With Reread, which brings all values, it is not set.
	Partial bool
	// Removal is set when the write is what on_delete asks for, as the row has
	// gone, does not match any more, or has another key. A key that some row
	// holds once its transaction has ended must not be removed.
	Removal bool
	// Ask is set on a removal where only the table can tell whether some row
	// holds the key: see Holders. Otherwise the order of the stream does.
	Ask bool
	// Respelled is set when the key that the row had before is another, which
	// Marketo may take for the same: its object was left alone.
	Respelled bool
	// Sought are the values of other tables that the object lacks until Supply
	// has brought them; nil for none. Such a write must not be delivered.
	Sought []Sought
	// Bytes is what the write holds in memory, about.
	Bytes int
}

// UnchangedKey is the Code of a Problem of a key that the stream did not carry.
const UnchangedKey = "unchanged"

// Problem is why a row cannot become an object.
type Problem struct {
	// Code is one of "null_key", "value", "characters", "expression",
	// "unchanged", "too_large", "lookup".
	Code string
	// Message names the column and what to do; it holds no row value.
	Message string
}

func (p *Problem) Error() string { return p.Code + ": " + p.Message }
