package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Dependents says what uses a custom object type. It is one call to Marketo, which the
// Runner has counted before.
type Dependents interface {
	DependentAssets(ctx context.Context, objectType string) ([]marketo.Asset, error)
}

// campaigns are what uses an object type, or why that is not known.
type campaigns struct {
	found   []marketo.Asset
	unasked string
	at      time.Time
}

const (
	// campaignsFor is how long an answer holds: a backfill asks when it is recorded,
	// and again when it begins.
	campaignsFor = 10 * time.Minute
	// campaignsWithin bounds the asking; a backfill does not wait for it longer.
	campaignsWithin = 10 * time.Second
)

// askedCampaigns has the last answers, by object type.
type askedCampaigns struct {
	mu    sync.Mutex
	known map[string]campaigns
}

// campaignsOf asks what uses an object type: creating objects sets off campaigns that
// wait for that.
func (r *Runner) campaignsOf(ctx context.Context, object string) campaigns {
	a := &r.campaigns
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.known[object]; ok && time.Since(c.at) < campaignsFor {
		return c
	}
	c := r.askCampaigns(ctx, object)
	c.at = time.Now()
	if a.known == nil {
		a.known = make(map[string]campaigns)
	}
	a.known[object] = c
	return c
}

func (r *Runner) askCampaigns(ctx context.Context, object string) campaigns {
	asks, ok := r.Client.(Dependents)
	if !ok {
		return campaigns{unasked: "marketo tells over REST alone"}
	}
	ctx, cancel := context.WithTimeout(ctx, campaignsWithin)
	defer cancel()
	if err := r.Leave(ctx); err != nil {
		return campaigns{unasked: err.Error()}
	}
	found, err := asks.DependentAssets(ctx, object)
	var fault *marketo.Fault
	switch {
	case errors.As(err, &fault) && fault.Message != "": // what its class says is of calls that have to go again
		return campaigns{unasked: "marketo answered with " + fault.Code + ": " + fault.Message}
	case err != nil:
		return campaigns{unasked: err.Error()}
	}
	slices.SortFunc(found, func(a, b marketo.Asset) int { return strings.Compare(a.String(), b.String()) })
	return campaigns{found: found}
}

// told is what the log says of them.
func (c *campaigns) told() []any {
	if c.unasked != "" {
		return []any{"campaigns_unknown", c.unasked}
	}
	names := make([]string, len(c.found))
	for i, a := range c.found {
		names[i] = a.String()
	}
	return []any{"used_by", strings.Join(names, ", ")}
}
