package mapping

import (
	"encoding/json"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Rules stands for what decides which changes of a publication become writes,
// and what their keys are. While it is the same, a change that comes again has
// the same keys again. It may be stored; a change to what it is made of makes
// what was settled of an unfinished transaction go again.
func (d *Definition) Rules(publication string) uint64 {
	type rule struct {
		Attribute, Column, Expr string
		Constant                *marketo.Value
	}
	key := make([]rule, 0, len(d.Key))
	for _, r := range d.Key {
		key = append(key, rule{r.Attribute, r.Column, r.Expr, r.Constant})
	}
	text, err := json.Marshal([]any{publication, d.Schema, d.Table, strings.ToLower(d.Object), key, d.Where, !d.OnDelete.Ignores()})
	if err != nil {
		panic("mapping: " + err.Error()) // texts and numbers only
	}
	return xxhash.Sum64(text)
}
