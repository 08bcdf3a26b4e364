package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// mostHold is how long an answer may take at most while there is nothing to say
// but that it is not so far yet.
const mostHold = 20 * time.Second

// WaitAsk is what GET /api/v1/wait asks: whether everything committed before LSN
// is in Marketo. LSN 0 stands for what is committed now: the answer says where
// that is. Timeline is the one that LSN is of, 0 for the server's own. The answer
// comes as soon as it is a yes, or when Hold has passed; 20 seconds at most.
type WaitAsk struct {
	LSN      pgoutput.LSN
	Timeline int32
	Hold     time.Duration
}

// Waited is the answer to GET /api/v1/wait.
type Waited struct {
	// Reached is the yes. Lost says why there can be none any more.
	Reached bool   `json:"reached"`
	Lost    string `json:"lost,omitempty"`
	// LSN and Timeline are what was asked for, or what is committed now; ""  and
	// 0 while that is not known.
	LSN      string `json:"lsn"`
	Timeline int32  `json:"timeline"`
	// Settled is how far everything is settled.
	Settled string `json:"settled_lsn,omitempty"`
	// Parked counts the objects of what was committed before LSN that are parked,
	// and so not in Marketo as their rows are. Only a yes has it.
	Parked int `json:"parked_objects"`
	// WaitsFor is what stands against a yes, the worst first.
	WaitsFor []snapshot.Obstacle `json:"waits_for,omitempty"`
}

func (o Options) wait(w http.ResponseWriter, r *http.Request) {
	ask, err := waiting(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := o.Wait(r.Context(), ask)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	reply(w, http.StatusOK, answer)
}

// waiting reads a WaitAsk from the query of a request.
func waiting(query url.Values) (ask WaitAsk, err error) {
	for name, values := range query {
		value := values[0]
		switch name {
		case "lsn":
			if ask.LSN, err = pgoutput.ParseLSN(value); err == nil && ask.LSN == 0 {
				err = fmt.Errorf("lsn is %q, which is before everything", value)
			}
		case "timeline":
			var n int64
			if n, err = strconv.ParseInt(value, 10, 32); err != nil || n < 1 {
				err = fmt.Errorf("timeline is %q; allowed are numbers from 1 on", value)
			}
			ask.Timeline = int32(n)
		case "hold":
			if ask.Hold, err = time.ParseDuration(value); err != nil || ask.Hold < 0 || ask.Hold > mostHold {
				err = fmt.Errorf("hold is %q; allowed are times from 0s to %s", value, mostHold)
			}
		default:
			err = fmt.Errorf("%s is not known; allowed are lsn, timeline and hold", name)
		}
		if err != nil {
			return ask, err
		}
	}
	return ask, nil
}

// Wait asks whether everything committed before a place is in Marketo.
func (c *Client) Wait(ctx context.Context, ask WaitAsk) (Waited, error) {
	query := url.Values{"hold": {min(ask.Hold, mostHold).String()}}
	if ask.LSN != 0 {
		query.Set("lsn", ask.LSN.String())
	}
	if ask.Timeline != 0 {
		query.Set("timeline", strconv.Itoa(int(ask.Timeline)))
	}
	var answer Waited
	err := c.get(ctx, "/api/v1/wait?"+query.Encode(), &answer)
	return answer, err
}
