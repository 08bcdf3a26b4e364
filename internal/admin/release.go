package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Released is the body of POST /api/v1/release: Mappings, or All.
type Released struct {
	Mappings []string `json:"mappings,omitempty"`
	All      bool     `json:"all,omitempty"`
}

// Reserved is the answer to POST /api/v1/calls: whether one call to Marketo may
// be made now, counted with those of the daemon. If not, Wait is after how long
// it is worth asking again, and Why the limit that stands against it.
type Reserved struct {
	OK   bool    `json:"ok"`
	Wait float64 `json:"wait_seconds,omitempty"`
	Why  string  `json:"why,omitempty"`
}

func (o Options) release(w http.ResponseWriter, r *http.Request) {
	var what Released
	if !read(w, r, &what) {
		return
	}
	if what.All == (len(what.Mappings) > 0) {
		refuse(w, http.StatusBadRequest, "give either mappings or all")
		return
	}
	act(w, r, func(ctx context.Context) (Acted, error) { return o.Release(ctx, what.Mappings) })
}

func (o Options) reserve(w http.ResponseWriter, r *http.Request) {
	var nothing struct{}
	if !read(w, r, &nothing) {
		return
	}
	act(w, r, o.Reserve)
}

// Deleting is the body of POST /api/v1/deletions: objects of a mapping that somebody
// else is about to delete. They count towards delivery.max_deletes, as those that the
// daemon deletes.
type Deleting struct {
	Mapping string `json:"mapping"`
	Objects int    `json:"objects"`
}

func (o Options) deleting(w http.ResponseWriter, r *http.Request) {
	var ask Deleting
	if !read(w, r, &ask) {
		return
	}
	if ask.Objects < 1 {
		refuse(w, http.StatusBadRequest, "objects is how many are to be deleted, at least 1")
		return
	}
	act(w, r, func(ctx context.Context) (Acted, error) { return o.Deleting(ctx, ask) })
}

// Deleting asks how many objects of a mapping may be deleted now, and has them counted:
// Done of the answer.
func (c *Client) Deleting(ctx context.Context, ask Deleting) (Acted, error) {
	return post[Acted](ctx, c, "/api/v1/deletions", ask)
}

// act answers with what do says.
func act[T any](w http.ResponseWriter, r *http.Request, do func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), actTimeout)
	defer cancel()
	answer, err := do(ctx)
	if err != nil {
		refuse(w, statusOf(err), err.Error())
		return
	}
	reply(w, http.StatusOK, answer)
}

// statusOf tells what nothing goes by, such as the name of a mapping, from what may go
// well another time.
func statusOf(err error) int {
	var mistaken interface{ Mistaken() }
	if errors.As(err, &mistaken) {
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

// Release has what waits for somebody's word go on.
func (c *Client) Release(ctx context.Context, what Released) (Acted, error) {
	return post[Acted](ctx, c, "/api/v1/release", what)
}

// Reserve waits until the daemon allows one call to Marketo, and has it counted.
func (c *Client) Reserve(ctx context.Context) error {
	for {
		var answer Reserved
		if err := c.do(ctx, http.MethodPost, "/api/v1/calls", []byte("{}"), &answer); err != nil {
			return err
		}
		if answer.OK {
			return nil
		}
		wait := time.Duration(answer.Wait * float64(time.Second))
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			return fmt.Errorf("no call to marketo is allowed for %s, as the daemon has used up its limit (%s)", wait.Round(time.Second), answer.Why)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
