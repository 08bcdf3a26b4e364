package admin

import (
	"context"
	"net/http"
)

// Reloaded is the answer to POST /api/v1/reload.
type Reloaded struct {
	// Changed is what is different in the new configuration, by name and without
	// values.
	Changed []string `json:"changed"`
	// Refused is why the old one goes on; empty where the new one takes effect.
	// Loses is set where going on with the new one would lose changes.
	Refused string `json:"refused,omitempty"`
	Loses   bool   `json:"loses,omitempty"`
}

func (o Options) reload(w http.ResponseWriter, r *http.Request) {
	var nothing struct{}
	if !read(w, r, &nothing) {
		return
	}
	// Looking at the database takes longer than an action does.
	answer, err := o.Reload(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	reply(w, http.StatusOK, answer)
}

// Reload has the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var answer Reloaded
	err := c.do(ctx, http.MethodPost, "/api/v1/reload", []byte("{}"), &answer)
	return answer, err
}
