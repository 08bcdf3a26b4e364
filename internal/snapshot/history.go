package snapshot

import (
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	// HistoryEvery is the time between two points of a Record.
	HistoryEvery = 10 * time.Second
	// historyPoints are those that it keeps: six hours, in about 300 KiB.
	historyPoints = 6 * 360
)

// Record keeps a few numbers of the last six hours in memory, a point every ten
// seconds, for charts. It is no metric: whoever wants more, and longer, lets
// Prometheus scrape. The zero value is ready, and safe for use by several.
type Record struct {
	mu     sync.Mutex
	points []point
	// next is where the next point goes once there are historyPoints.
	next int
}

// point is one moment.
type point struct {
	at              time.Time
	behind          *float64
	pending, parked int
	today           int
	rows, calls     uint64
	unchanged       uint64
	statuses        [marketo.Deleted + 1]uint64
}

// History is the answer to GET /api/v1/history: one entry of each list for each
// point, the oldest first. What is counted is counted since the daemon started;
// it is less than before where the daemon has taken another configuration.
type History struct {
	Every float64 `json:"every_seconds"`
	// At is in seconds since 1970.
	At      []int64    `json:"at"`
	Behind  []*float64 `json:"behind_seconds"`
	Pending []int      `json:"pending_objects"`
	Parked  []int      `json:"parked_objects"`
	Today   []int      `json:"calls_today"`
	Rows    []uint64   `json:"rows"`
	Calls   []uint64   `json:"calls"`
	// Objects are Marketo's statuses, by status; UNSENT counts those that were not
	// sent, as Marketo had them.
	Objects map[string][]uint64 `json:"objects"`
}

// Unsent is the key in History.Objects of what was not sent.
const Unsent = "UNSENT"

// Add remembers a Report.
func (h *Record) Add(r *Report) {
	p := point{
		at: r.now, behind: r.Behind, pending: r.Pending, parked: r.Parked, today: r.Calls.Today, calls: r.Calls.Sent,
	}
	for i := range r.Mappings {
		m := &r.Mappings[i]
		p.rows += m.Rows
		p.unchanged += m.Unchanged
		for status := range p.statuses {
			p.statuses[status] += m.Statuses[marketo.Status(status).String()]
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.points) < historyPoints {
		h.points = append(h.points, p)
		return
	}
	h.points[h.next] = p
	h.next = (h.next + 1) % historyPoints
}

// After returns what was added after a time; the zero time stands for all.
func (h *Record) After(at time.Time) History {
	h.mu.Lock()
	points := slices.Concat(h.points[h.next:], h.points[:h.next])
	h.mu.Unlock()
	out := History{
		Every: HistoryEvery.Seconds(),
		At:    []int64{}, Behind: []*float64{}, Pending: []int{}, Parked: []int{}, Today: []int{}, Rows: []uint64{}, Calls: []uint64{},
		Objects: map[string][]uint64{Unsent: {}},
	}
	for i := range points {
		p := &points[i]
		if p.at.Unix() <= at.Unix() {
			continue
		}
		out.At, out.Behind = append(out.At, p.at.Unix()), append(out.Behind, p.behind)
		out.Pending, out.Parked = append(out.Pending, p.pending), append(out.Parked, p.parked)
		out.Today, out.Rows, out.Calls = append(out.Today, p.today), append(out.Rows, p.rows), append(out.Calls, p.calls)
		out.Objects[Unsent] = append(out.Objects[Unsent], p.unchanged)
		for status, n := range p.statuses {
			name := marketo.Status(status).String()
			out.Objects[name] = append(out.Objects[name], n)
		}
	}
	return out
}
