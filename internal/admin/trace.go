package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Traced is the answer to GET /api/v1/trace: where a row is, and why.
type Traced struct {
	Mapping string `json:"mapping"`
	Table   string `json:"table"`
	Object  string `json:"object"`
	// Key has the dedupe fields of the row's object, id=42.
	Key string `json:"key"`
	// Rows counts the rows of the table that have the key now. Matches is set where
	// one of them is to be an object by the mapping's where; Problem says why it
	// cannot be one, Unread why the table could not be asked.
	Rows    int    `json:"rows"`
	Matches bool   `json:"matches"`
	Problem string `json:"problem,omitempty"`
	Unread  string `json:"unread,omitempty"`
	// Queue are the objects of the key that are on their way, in their order.
	Queue []Queued `json:"queue"`
	// Parked is the one that is parked, without its payload, Refused what backfills
	// left.
	Parked  *Entry    `json:"parked,omitempty"`
	Refused []Refused `json:"refused,omitempty"`
	// Through is the commit time up to which everything else is in Marketo.
	Through *time.Time `json:"confirmed_through,omitempty"`
}

// Queued is an object on its way.
type Queued struct {
	// Mapping may be another one, which writes objects of the same type.
	Mapping   string `json:"mapping"`
	Operation string `json:"operation"`
	// From is stream, backfill, or parked for one that is tried again. LSN and
	// Committed are those of the newest change it stands for, from the stream.
	From      string     `json:"from"`
	LSN       string     `json:"lsn,omitempty"`
	Committed *time.Time `json:"committed,omitempty"`
	Since     time.Time  `json:"since"`
	// Waits says what for.
	Waits    string `json:"waits"`
	Attempts int    `json:"attempts,omitempty"`
}

// Refused is an object of a row of a backfill that Marketo did not take.
type Refused struct {
	Backfill string     `json:"backfill"`
	Code     string     `json:"code"`
	Message  string     `json:"message"`
	At       time.Time  `json:"at"`
	Next     *time.Time `json:"next,omitempty"`
}

func (o Options) trace(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("mapping") == "" || !query.Has("key") {
		refuse(w, http.StatusBadRequest, "give mapping and key")
		return
	}
	act(w, r, func(ctx context.Context) (Traced, error) { return o.Trace(ctx, query.Get("mapping"), query.Get("key")) })
}

// Trace asks where a row is. Key has the values of the mapping's key columns, with
// commas between them.
func (c *Client) Trace(ctx context.Context, mapping, key string) (Traced, error) {
	var answer Traced
	err := c.get(ctx, "/api/v1/trace?"+url.Values{"mapping": {mapping}, "key": {key}}.Encode(), &answer)
	return answer, err
}
