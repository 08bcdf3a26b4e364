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

func placeOf(e *Entry) place { return place{e.First, e.ID} }

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

// page gathers the first entries behind a place, limit of them at most, and
// never holds many more.
type page struct {
	after   place
	limit   int
	entries []Entry
	// last, when set, is when the last of enough entries was first parked.
	last time.Time
}

func (g *page) add(p *checkpoint.Parked) {
	if g.limit == 0 || !g.last.IsZero() && p.First.After(g.last) {
		return
	}
	if g.after != (place{}) && (place{p.First.UTC(), identify(p)}).compare(g.after) <= 0 {
		return
	}
	g.entries = append(g.entries, entry(p))
	if len(g.entries) > 2*g.limit+100 {
		g.cut()
	}
}

// cut keeps one more than limit, which tells that there are more.
func (g *page) cut() {
	slices.SortFunc(g.entries, func(a, b Entry) int { return placeOf(&a).compare(placeOf(&b)) })
	if len(g.entries) > g.limit {
		g.entries = g.entries[:g.limit+1]
		g.last = g.entries[g.limit].First
	}
}

// finish returns the page, and where the next one begins after; "" if there is
// none.
func (g *page) finish() (entries []Entry, next string) {
	g.cut()
	if g.limit > 0 && len(g.entries) > g.limit {
		g.entries = g.entries[:g.limit]
		next = placeOf(&g.entries[g.limit-1]).String()
	}
	return append([]Entry{}, g.entries...), next
}
