package admin

import (
	"context"
	"fmt"
	"net/http"
)

// UnderwayAsk is the body of POST /api/v1/underway: keys of objects of one mapping
// (mapping.Write.Key), at most MostUnderway.
type UnderwayAsk struct {
	Mapping string   `json:"mapping"`
	Keys    []string `json:"keys"`
}

// MostUnderway is how many keys may be asked for at once.
const MostUnderway = 1000

// Underway says of each key whether something of it is on its way to Marketo, parked,
// or refused by a backfill and to be tried again: then Marketo need not be as the table
// is. Refused has of each key what a backfill could not send, nil for nothing; none
// where that is so of all.
type Underway struct {
	Underway []bool     `json:"underway"`
	Refused  []*Refused `json:"refused,omitempty"`
}

func (o Options) underway(w http.ResponseWriter, r *http.Request) {
	var ask UnderwayAsk
	if !read(w, r, &ask) {
		return
	}
	if len(ask.Keys) > MostUnderway {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%d keys; at most %d are answered at once", len(ask.Keys), MostUnderway))
		return
	}
	act(w, r, func(ctx context.Context) (Underway, error) { return o.Underway(ctx, ask) })
}

// Underway asks of which keys something is underway.
func (c *Client) Underway(ctx context.Context, ask UnderwayAsk) (Underway, error) {
	answer, err := post[Underway](ctx, c, "/api/v1/underway", ask)
	if err != nil {
		return answer, err
	}
	if len(answer.Underway) != len(ask.Keys) || answer.Refused != nil && len(answer.Refused) != len(ask.Keys) {
		return answer, c.foreign()
	}
	return answer, nil
}
