package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

const (
	// usualLimit is how many entries a listing shows if it is not told,
	// mostLimit how many it can be told.
	usualLimit = 100
	mostLimit  = 1000
)

// place is where an entry stands in the order of a listing: by the time it was
// first parked, which it keeps, then by its ID.
type place struct {
	first time.Time
	id    string
}

func (a place) compare(b place) int {
	if c := a.first.Compare(b.first); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

const placeTime = "20060102T150405.000000000Z"

func (a place) String() string { return a.first.UTC().Format(placeTime) + "-" + a.id }

func parsePlace(text string) (place, error) {
	when, id, found := strings.Cut(text, "-")
	first, err := time.Parse(placeTime, when)
	if !found || err != nil {
		return place{}, fmt.Errorf("after is %q, not the next of an earlier answer", text)
	}
	return place{first, id}, nil
}

// page gathers the keys of the first objects behind a place, limit of them at most,
// and never holds many more.
type page struct {
	after place
	limit int
	lines []line
	// last, when set, is the last place of enough.
	last place
}

// line is an object that is to be on a page.
type line struct {
	key string
	place
}

func (g *page) add(p *checkpoint.Parked) {
	if g.limit == 0 || !g.last.first.IsZero() && p.First.After(g.last.first) {
		return
	}
	at := place{p.First.UTC(), identify(p)}
	if g.after != (place{}) && at.compare(g.after) <= 0 {
		return
	}
	g.lines = append(g.lines, line{p.Key, at})
	if len(g.lines) > 2*g.limit+100 {
		g.cut()
	}
}

// cut keeps one more than limit, which tells that there are more.
func (g *page) cut() {
	slices.SortFunc(g.lines, func(a, b line) int { return a.compare(b.place) })
	if len(g.lines) > g.limit {
		g.lines = g.lines[:g.limit+1]
		g.last = g.lines[g.limit].place
	}
}

// finish returns the keys of the page, and where the next one begins after; "" if
// there is none.
func (g *page) finish() (keys []string, next string) {
	g.cut()
	if g.limit > 0 && len(g.lines) > g.limit {
		g.lines = g.lines[:g.limit]
		next = g.lines[g.limit-1].String()
	}
	for _, l := range g.lines {
		keys = append(keys, l.key)
	}
	return keys, next
}
