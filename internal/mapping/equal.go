package mapping

import (
	"bytes"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// equalCitext compares as the citext extension does: in lower case.
func equalCitext(a, b []byte) bool { return bytes.Equal(bytes.ToLower(a), bytes.ToLower(b)) }

// equalIn returns what compares as a nondeterministic collation of a locale
// does; nil for a locale that cannot be read, where only texts that are the
// same are equal.
func equalIn(locale string) func(a, b []byte) bool {
	tag, err := language.Parse(locale)
	if err != nil {
		return nil
	}
	// A Collator is for one at a time; keys are seldom compared.
	var one sync.Mutex
	collator := collate.New(tag, collate.OptionsFromTag(tag))
	return func(a, b []byte) bool {
		one.Lock()
		defer one.Unlock()
		return collator.Compare(a, b) == 0
	}
}
