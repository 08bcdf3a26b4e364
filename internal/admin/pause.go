package admin

import (
	"context"
	"net/http"
	"time"
)

// PauseAsk is the body of POST /api/v1/pause and /resume. No Mappings are all of
// them, those to come among them.
type PauseAsk struct {
	Resume   bool     `json:"-"`
	Mappings []string `json:"mappings,omitempty"`
	// Reason is why, in somebody's own words; for pause.
	Reason string `json:"reason,omitempty"`
}

// Paused is the answer: the mappings that were changed, and all that are paused
// now.
type Paused struct {
	Changed []string        `json:"changed"`
	Paused  []PausedMapping `json:"paused"`
}

// PausedMapping is a mapping that waits by somebody's word, also over restarts.
type PausedMapping struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	// Command is what it was paused with, Reason why, as somebody put it.
	Command string `json:"command"`
	Reason  string `json:"reason,omitempty"`
}

func (o Options) pause(resume bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var ask PauseAsk
		if !read(w, r, &ask) || !notEmpty(w, "mappings", ask.Mappings) {
			return
		}
		ask.Resume = resume
		act(w, r, func(ctx context.Context) (Paused, error) { return o.Pause(ctx, ask) })
	}
}

// Pause has mappings wait, or go on.
func (c *Client) Pause(ctx context.Context, ask PauseAsk) (Paused, error) {
	path := "/api/v1/pause"
	if ask.Resume {
		path = "/api/v1/resume"
	}
	return post[Paused](ctx, c, path, ask)
}
