package mapping

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// record is what is kept of a mapping from life to life, so that a change of it
// is noticed. Lookups and policies that are added to it have to be left out of
// the JSON where they are not used: what an older release recorded is compared.
type record struct {
	Key        []recordedRule `json:"key"`
	Attributes []recordedRule `json:"attributes"`
	Where      string         `json:"where,omitempty"`
	Operation  string         `json:"operation"`
	OnDelete   recordedDelete `json:"on_delete"`
	// Characters and BeyondBMP are the numbers of the policies.
	Characters int `json:"characters,omitempty"`
	BeyondBMP  int `json:"beyond_bmp,omitempty"`
}

type recordedRule struct {
	Attribute string `json:"attribute"`
	Column    string `json:"column,omitempty"`
	Expr      string `json:"expr,omitempty"`
	// Constant is the value as JSON has it, null for one that clears.
	Constant json.RawMessage `json:"constant,omitempty"`
	OmitNull bool            `json:"omit_null,omitempty"`
	Lookup   *recordedLookup `json:"lookup,omitempty"`
}

type recordedLookup struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Column string `json:"column"`
	// Match has a column of theirs for each of ours.
	Match map[string]string `json:"match"`
}

type recordedDelete struct {
	Delete bool           `json:"delete,omitempty"`
	Set    []recordedRule `json:"set,omitempty"`
}

// Record returns JSON of what makes the objects of d, for Compare in a later
// life. A mapping is known by its table and object type, so neither they nor its
// name are in it.
func (d *Definition) Record() string {
	return compactJSON(record{
		Key: recordRules(d.Key), Attributes: recordRules(d.Attributes), Where: d.Where, Operation: d.Operation.String(),
		OnDelete:   recordedDelete{Delete: d.OnDelete.Delete, Set: recordRules(d.OnDelete.Set)},
		Characters: int(d.Characters), BeyondBMP: int(d.BeyondBMP),
	})
}

// compactJSON returns v as people read it: < and > are not escaped.
func compactJSON(v any) string {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("mapping: " + err.Error()) // texts and numbers only
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func recordConstant(v *marketo.Value) json.RawMessage {
	switch {
	case v == nil:
		return nil
	case v.Kind == marketo.Number || v.Kind == marketo.Boolean:
		return json.RawMessage(v.Text)
	case v.Kind == marketo.String:
		return json.RawMessage(compactJSON(v.Text))
	}
	return json.RawMessage("null")
}

func recordLookup(l *Lookup) *recordedLookup {
	if l == nil {
		return nil
	}
	match := make(map[string]string, len(l.Match))
	for _, m := range l.Match {
		match[m.Theirs] = m.Ours
	}
	return &recordedLookup{l.Schema, l.Table, l.Column, match}
}

func recordRules(rules []Rule) []recordedRule {
	recorded := make([]recordedRule, 0, len(rules))
	for _, r := range rules {
		recorded = append(recorded, recordedRule{r.Attribute, r.Column, r.Expr, recordConstant(r.Constant), r.OmitNull, recordLookup(r.Lookup)})
	}
	return recorded
}

// Difference is how a mapping differs from what it was. The zero Difference is
// none.
type Difference struct {
	// Key is set when other objects are written: what was written under the old
	// key stays in Marketo.
	Key bool
	// KeyNames is how the key says that its columns were called otherwise, which is
	// all that it takes where they were only renamed; none where it is not that.
	KeyNames []string
	// Added, Changed and Removed are attributes, by name.
	Added, Changed, Removed []string
	// Where, Operation, OnDelete and Characters say what else has changed.
	Where, Operation, OnDelete, Characters bool
}

// None reports whether nothing differs.
func (d Difference) None() bool { return !d.Key && !d.Stale() && len(d.Removed) == 0 && !d.OnDelete }

// Stale reports whether objects that were written before may not be what the
// mapping makes of their rows now, until these are sent again.
func (d Difference) Stale() bool {
	return len(d.Added)+len(d.Changed) > 0 || d.Where || d.Operation || d.Characters
}

// Compare tells how d differs from what Record returned in an earlier life. A
// column that d says was called otherwise then is the same one; the order of
// rules says nothing.
func (d *Definition) Compare(recorded string) (Difference, error) {
	var old record
	if err := json.Unmarshal([]byte(recorded), &old); err != nil {
		return Difference{}, fmt.Errorf("read what is recorded of mapping %s: %w", d.Name, err)
	}
	added, changed, removed := compareRules(old.Key, d.Key)
	diff := Difference{Key: len(added)+len(changed)+len(removed) > 0}
	if len(added)+len(removed) == 0 {
		diff.KeyNames = formerNames(old.Key, d.Key, changed)
	}
	diff.Added, diff.Changed, diff.Removed = compareRules(old.Attributes, d.Attributes)
	diff.Where = old.Where != d.Where
	diff.Operation = old.Operation != d.Operation.String()
	diff.Characters = old.Characters != int(d.Characters) || old.BeyondBMP != int(d.BeyondBMP)
	added, changed, removed = compareRules(old.OnDelete.Set, d.OnDelete.Set)
	diff.OnDelete = old.OnDelete.Delete != d.OnDelete.Delete || len(added)+len(changed)+len(removed) > 0
	return diff, nil
}

// formerNames writes rules of a key so that they name the columns of before, too.
func formerNames(old []recordedRule, now []Rule, changed []string) (names []string) {
	for _, r := range now {
		i := slices.IndexFunc(old, func(o recordedRule) bool { return strings.EqualFold(o.Attribute, r.Attribute) })
		if i >= 0 && slices.Contains(changed, r.Attribute) && r.Column != "" && old[i].Column != "" {
			names = append(names, fmt.Sprintf("%s: {column: [%s, %s]}", r.Attribute, r.Column, old[i].Column))
		}
	}
	return names
}

// compareRules returns names of attributes, in the order of now, and then of old.
func compareRules(old []recordedRule, now []Rule) (added, changed, removed []string) {
	for _, r := range now {
		i := slices.IndexFunc(old, func(o recordedRule) bool { return strings.EqualFold(o.Attribute, r.Attribute) })
		switch {
		case i < 0:
			added = append(added, r.Attribute)
		case !old[i].is(r):
			changed = append(changed, r.Attribute)
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(now, func(r Rule) bool { return strings.EqualFold(o.Attribute, r.Attribute) }) {
			removed = append(removed, o.Attribute)
		}
	}
	return added, changed, removed
}

// is reports whether r gives an attribute the values that it had by o.
func (o recordedRule) is(r Rule) bool {
	return string(o.Constant) == string(recordConstant(r.Constant)) && o.Expr == r.Expr && o.OmitNull == r.OmitNull && reflect.DeepEqual(o.Lookup, recordLookup(r.Lookup)) &&
		(o.Column == r.Column || o.Column != "" && slices.Contains(r.Former, o.Column))
}
