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
	// Confirmed is what Marketo last confirmed of the object, where that is remembered
	// (delivery.suppress_unchanged).
	Confirmed *Confirmed `json:"confirmed,omitempty"`
	// Marketo is what Marketo has; only where it was asked.
	Marketo *InMarketo `json:"marketo,omitempty"`
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

// Confirmed is what is remembered of a confirmed object, without its values.
type Confirmed struct {
	// Status is Marketo's word, At when it came, and Call the call that carried it.
	Status string    `json:"status"`
	At     time.Time `json:"at"`
	Call   uint64    `json:"call"`
	// LSN is the commit of the newest change that the object stands for; missing for a
	// row that was read.
	LSN string `json:"lsn,omitempty"`
	// Compared is set where the row as it is now could be held against it, Differs are
	// the attributes that are otherwise.
	Compared bool     `json:"compared"`
	Differs  []string `json:"differs,omitempty"`
}

// InMarketo is the answer to POST /api/v1/trace/marketo: what Marketo has of a key.
type InMarketo struct {
	// Objects are more than one where Marketo has the key several times.
	Objects []StoredObject `json:"objects"`
	// Compared is set where there is a row to compare with.
	Compared bool `json:"compared"`
}

// StoredObject is an object that Marketo has, without its values.
type StoredObject struct {
	// GUID, Created and Updated are missing over SOAP, which does not tell them.
	GUID    string `json:"guid,omitempty"`
	Created string `json:"created_at,omitempty"`
	Updated string `json:"updated_at,omitempty"`
	// Differs are the attributes that the row as it is now has otherwise.
	Differs []string `json:"differs,omitempty"`
}

// traceMarketo is a POST, as it costs a call of the day.
func (o Options) traceMarketo(w http.ResponseWriter, r *http.Request) {
	var what TraceAsk
	if !read(w, r, &what) {
		return
	}
	if what.Mapping == "" {
		refuse(w, http.StatusBadRequest, "give mapping and key")
		return
	}
	act(w, r, func(ctx context.Context) (InMarketo, error) { return o.TraceMarketo(ctx, what) })
}

// TraceAsk is the body of POST /api/v1/trace/marketo.
type TraceAsk struct {
	Mapping string `json:"mapping"`
	Key     string `json:"key"`
}

// TraceMarketo has the daemon ask Marketo what it has of a key, in one call.
func (c *Client) TraceMarketo(ctx context.Context, ask TraceAsk) (InMarketo, error) {
	return post[InMarketo](ctx, c, "/api/v1/trace/marketo", ask)
}

func (o Options) trace(values bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("mapping") == "" || !query.Has("key") {
			refuse(w, http.StatusBadRequest, "give mapping and key")
			return
		}
		act(w, r, func(ctx context.Context) (Traced, error) {
			traced, err := o.Trace(ctx, query.Get("mapping"), query.Get("key"))
			if !values {
				traced.withoutValues()
			}
			return traced, err
		})
	}
}

// Trace asks where a row is. Key has the values of the mapping's key columns, with
// commas between them.
func (c *Client) Trace(ctx context.Context, mapping, key string) (Traced, error) {
	var answer Traced
	err := c.get(ctx, "/api/v1/trace?"+url.Values{"mapping": {mapping}, "key": {key}}.Encode(), &answer)
	return answer, err
}
