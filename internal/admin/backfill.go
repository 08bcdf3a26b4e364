package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// BackfillAction is what is to become of backfills.
type BackfillAction string

const (
	// BackfillList changes nothing.
	BackfillList   BackfillAction = ""
	BackfillStart  BackfillAction = "start"
	BackfillRetry  BackfillAction = "retry"
	BackfillPause  BackfillAction = "pause"
	BackfillResume BackfillAction = "resume"
	BackfillCancel BackfillAction = "cancel"
)

// BackfillAsk is the body of POST /api/v1/backfills/start, retry, pause, resume and
// cancel. No Mappings are all of them.
type BackfillAsk struct {
	Action   BackfillAction `json:"-"`
	Mappings []string       `json:"mappings,omitempty"`
	// Refused is for list: how many refused rows of each are listed, at most; zero
	// for none.
	Refused int `json:"-"`
	// Where, Keys and Force are for start: an expression as in a mapping, keys of
	// rows, and to send objects although Marketo is known to have them so.
	Where string   `json:"where,omitempty"`
	Keys  []string `json:"keys,omitempty"`
	Force bool     `json:"force,omitempty"`
	// Remove deletes the objects of Keys that no row wants.
	Remove bool `json:"remove,omitempty"`
	// Code is for retry: only rows that were refused with it, "-" those without one.
	Code string `json:"code,omitempty"`
}

// Backfills is the answer to GET /api/v1/backfills, and to what changes them:
// those that were changed then.
type Backfills struct {
	Backfills []Backfill `json:"backfills"`
}

// Backfill is one sending of rows that a table has.
type Backfill struct {
	ID      int64  `json:"id"`
	Mapping string `json:"mapping"`
	Table   string `json:"table"`
	Object  string `json:"object"`
	// State is waiting, running, paused, failed, done or cancelled; Reason says
	// why where that is not by somebody's wish.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Where  string `json:"where,omitempty"`
	// Keys counts the keys of rows that were asked for; 0 for all rows.
	Keys  int  `json:"keys,omitempty"`
	Force bool `json:"force,omitempty"`
	// Remove is set where objects of Keys that no row wants are deleted.
	Remove bool `json:"remove,omitempty"`
	// Rows were read, Objects handed in to be sent, Refused of them did Marketo
	// not take. Estimate is how many rows there are in all.
	Rows    int64 `json:"rows"`
	Objects int64 `json:"objects"`
	Refused int64 `json:"refused"`
	// RefusedRows are the first ones of those, in the order of their keys, where they
	// were asked for.
	RefusedRows []RefusedRow `json:"refused_rows,omitempty"`
	Estimate    int64        `json:"rows_estimate"`
	// CallsLeft and SecondsLeft are what the rest takes, as far as that is known;
	// Day is the part of a day's calls.
	CallsLeft   int64   `json:"calls_left"`
	SecondsLeft float64 `json:"seconds_left"`
	Day         float64 `json:"share_of_day"`
	// RefusedLeft is how many refused rows a retry has left for the next one.
	RefusedLeft int `json:"refused_left,omitempty"`
	// Campaigns are what Marketo knows to use the object type, CampaignsUnknown why
	// that is not known: in the answer to start alone.
	Campaigns        []string   `json:"campaigns,omitempty"`
	CampaignsUnknown string     `json:"campaigns_unknown,omitempty"`
	Added            time.Time  `json:"added"`
	Started          *time.Time `json:"started,omitempty"`
	Ended            *time.Time `json:"ended,omitempty"`
}

// RefusedRow is a row of a backfill that Marketo did not take.
type RefusedRow struct {
	// Key has the values of the object's dedupe fields, as commands take those of key
	// columns.
	Key     string    `json:"key"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
	// Next is when it is read and sent again by itself; nil for never.
	Next *time.Time `json:"next,omitempty"`
}

// mostRefused bounds how many refused rows of a backfill are listed.
const mostRefused = 100_000

func (o Options) listBackfills(w http.ResponseWriter, r *http.Request) {
	var ask BackfillAsk
	if text := r.URL.Query().Get("refused"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > mostRefused {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("refused is a number up to %d", mostRefused))
			return
		}
		ask.Refused = n
	}
	list := func(w http.ResponseWriter, r *http.Request) {
		act(w, r, func(ctx context.Context) (Backfills, error) { return o.Backfills(ctx, ask) })
	}
	if ask.Refused > 0 {
		list = o.may(list) // keys are values
	}
	list(w, r)
}

func (o Options) actOnBackfills(action BackfillAction) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ask BackfillAsk
		if !read(w, r, &ask) || !notEmpty(w, "mappings", ask.Mappings) || !notEmpty(w, "keys", ask.Keys) {
			return
		}
		ask.Action = action
		act(w, r, func(ctx context.Context) (Backfills, error) { return o.Backfills(ctx, ask) })
	}
}

// Backfills lists backfills, or has something done about them.
func (c *Client) Backfills(ctx context.Context, ask BackfillAsk) (Backfills, error) {
	if ask.Action == BackfillList {
		var answer Backfills
		err := c.get(ctx, "/api/v1/backfills?refused="+strconv.Itoa(ask.Refused), &answer)
		return answer, err
	}
	return post[Backfills](ctx, c, "/api/v1/backfills/"+string(ask.Action), ask)
}
