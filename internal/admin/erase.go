package admin

import (
	"context"
	"net/http"
)

// EraseAsk asks for all that is kept of a row to be erased.
type EraseAsk struct {
	Mapping string `json:"mapping"`
	// Key has the values of the mapping's key columns, with commas between them.
	Key string `json:"key"`
	// Force erases it although its row is there, or could not be looked for.
	Force bool `json:"force,omitempty"`
}

// Erased is the answer to POST /api/v1/erase: what was kept of a row and is no more.
type Erased struct {
	Mapping string `json:"mapping"`
	Object  string `json:"object"`
	// Fields are the dedupe fields of the object, id=42.
	Fields string `json:"key"`
	// Parked and Lacking are entries of the object itself, Refused those that
	// backfills left; Asked counts backfills that had asked for the row.
	Parked  int `json:"parked"`
	Lacking int `json:"lacking"`
	Refused int `json:"refused"`
	Asked   int `json:"asked"`
	// Remembered is set where it may have been remembered as confirmed.
	Remembered bool `json:"remembered"`
	// Left says what could not be erased, and what to do about it.
	Left []string `json:"left,omitempty"`
	// Marketo says what may be there still.
	Marketo string `json:"marketo,omitempty"`
}

func (o Options) erase(w http.ResponseWriter, r *http.Request) {
	var ask EraseAsk
	if !read(w, r, &ask) {
		return
	}
	if ask.Mapping == "" {
		refuse(w, http.StatusBadRequest, "give mapping and key")
		return
	}
	act(w, r, func(ctx context.Context) (Erased, error) { return o.Erase(ctx, ask) })
}

// Erase has all that is kept of a row erased.
func (c *Client) Erase(ctx context.Context, ask EraseAsk) (Erased, error) {
	return post[Erased](ctx, c, "/api/v1/erase", ask)
}
