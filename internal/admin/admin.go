// Package admin answers over HTTP how the daemon is: metrics for Prometheus,
// liveness and readiness for whoever supervises it, and a JSON API to see the
// status, and the parked objects, and to act on those. Client is its other end.
//
// It knows nothing of replication or delivery; it is given functions to ask.
// It shows no secrets. Values of rows are in the API alone: the keys of parked
// objects, Marketo's words on them, and the payload of one that is asked for.
// Where a Login is configured, values and actions are for those who have it. Where
// none is, whoever reaches the address may read and act with other programs than a
// browser. It listens on the loopback address unless it is told otherwise, and the
// API keeps out pages of others that a browser shows.
package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	statuspage "github.com/cdcsync/cdcsync/internal/page"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// aliveTimeout is how long the pipeline may take to answer before /healthz
// says that it hangs. One turn of its loop takes milliseconds.
const aliveTimeout = 10 * time.Second

// Options are what the endpoints ask. All of them are needed, except
// AliveTimeout, Listen, Login, Ending and History.
type Options struct {
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
	// Alive returns nil once the pipeline's loop has answered. It must not
	// depend on PostgreSQL or Marketo: restarting us fixes neither. The error
	// is shown to the caller.
	Alive func(ctx context.Context) error
	// AliveTimeout is the longest wait for Alive; zero means 10 seconds.
	AliveTimeout time.Duration
	// Ready reports whether changes are being delivered, and if not, the one
	// reason that matters most, in plain words.
	Ready func(ctx context.Context) (ok bool, reason string)
	// Version is shown on the index.
	Version string
	// Listen is the address listened on, whose host the API answers to; empty
	// means DefaultListen.
	Listen string
	// Status is what /api/v1/status shows. It never fails: that nothing can be
	// known is a status too.
	Status func(ctx context.Context) snapshot.Status
	// EachParked visits parked objects, as sqlite.Store does.
	EachParked func(ctx context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error
	// Release has the mappings named go on that wait for somebody's word, or all
	// of them and the calls. Reserve asks for leave for one call to Marketo.
	Release func(ctx context.Context, mappings []string) (Acted, error)
	Reserve func(ctx context.Context) (Reserved, error)
	// Deleting asks how many objects of a mapping may be deleted now, and counts them.
	Deleting func(ctx context.Context, ask Deleting) (Acted, error)
	// Wait says whether everything committed before a place is in Marketo, as soon
	// as it is, or when the time to hold has passed.
	Wait func(ctx context.Context, ask WaitAsk) (Waited, error)
	// Trace says where the row of a mapping is that has a key.
	Trace func(ctx context.Context, mapping, key string) (Traced, error)
	// TraceMarketo asks Marketo what it has of a key, in one counted call.
	TraceMarketo func(ctx context.Context, ask TraceAsk) (InMarketo, error)
	// Underway says of which keys something is on its way, parked or refused, and
	// what was refused.
	Underway func(ctx context.Context, ask UnderwayAsk) (Underway, error)
	// Erase has nothing kept of the row of a mapping that has a key.
	Erase func(ctx context.Context, ask EraseAsk) (Erased, error)
	// Backfills lists backfills, or has something done about them.
	Backfills func(ctx context.Context, ask BackfillAsk) (Backfills, error)
	// Pause has mappings wait, or go on.
	Pause func(ctx context.Context, ask PauseAsk) (Paused, error)
	// Reload has the configuration read again.
	Reload func(ctx context.Context) (Reloaded, error)
	// Login is who may act, and see values.
	Login Login
	// Ending is closed when no more is to be told to those who listen for events;
	// nil for never.
	Ending <-chan struct{}
	// History is what was seen after a time, for charts.
	History func(after time.Time) snapshot.History
	// Act has the parked objects with these keys (checkpoint.Parked.Key) tried
	// again, or gives them up.
	Act func(ctx context.Context, keys []string, discard bool) (Acted, error)
}

// New returns the handler of all endpoints. Paths it does not know are 404,
// methods other than GET and HEAD are 405.
func New(options Options) http.Handler { return newHandler(options, options.events()) }

func newHandler(options Options, events *events) http.Handler {
	if options.AliveTimeout == 0 {
		options.AliveTimeout = aliveTimeout
	}
	if options.Listen == "" {
		options.Listen = DefaultListen
	}
	if options.History == nil {
		options.History = new(snapshot.Record).After
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(options.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", options.healthz)
	mux.HandleFunc("GET /readyz", options.readyz)
	mux.HandleFunc("GET /{$}", options.index)
	mux.Handle("GET "+statuspage.Folder, statuspage.Handler())
	mux.HandleFunc("GET /api/v1/events", options.local(events.ServeHTTP))
	mux.HandleFunc("GET /api/v1/history", options.local(options.history))
	mux.HandleFunc("GET /api/v1/status", options.local(options.status))
	mux.HandleFunc("GET /api/v1/wait", options.local(options.wait))
	mux.HandleFunc("GET /api/v1/session", options.local(options.session))
	mux.HandleFunc("POST /api/v1/login", options.asked(options.login))
	mux.HandleFunc("POST /api/v1/logout", options.asked(options.logout))
	mux.HandleFunc("GET /api/v1/trace", options.showing(options.trace))
	mux.HandleFunc("GET /api/v1/parked", options.showing(options.listParked))
	mux.HandleFunc("GET /api/v1/parked/{id}", options.local(options.may(options.showParked)))
	mux.HandleFunc("POST /api/v1/trace/marketo", options.acting(options.traceMarketo))
	mux.HandleFunc("POST /api/v1/parked/retry", options.acting(options.actOnParked(false)))
	mux.HandleFunc("POST /api/v1/parked/discard", options.acting(options.actOnParked(true)))
	mux.HandleFunc("POST /api/v1/release", options.acting(options.release))
	mux.HandleFunc("POST /api/v1/erase", options.acting(options.erase))
	mux.HandleFunc("POST /api/v1/reload", options.acting(options.reload))
	mux.HandleFunc("POST /api/v1/pause", options.acting(options.pause(false)))
	mux.HandleFunc("POST /api/v1/resume", options.acting(options.pause(true)))
	mux.HandleFunc("GET /api/v1/backfills", options.local(options.listBackfills))
	for _, action := range []BackfillAction{BackfillStart, BackfillRetry, BackfillPause, BackfillResume, BackfillCancel} {
		mux.HandleFunc("POST /api/v1/backfills/"+string(action), options.acting(options.actOnBackfills(action)))
	}
	mux.HandleFunc("POST /api/v1/calls", options.acting(options.reserve))
	mux.HandleFunc("POST /api/v1/deletions", options.acting(options.deleting))
	mux.HandleFunc("POST /api/v1/underway", options.acting(options.underway))
	return mux
}

func (o Options) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), o.AliveTimeout)
	defer cancel()
	if err := o.Alive(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, fmt.Sprintf("the pipeline does not answer: %v", err))
		return
	}
	answer(w, http.StatusOK, "ok")
}

func (o Options) readyz(w http.ResponseWriter, r *http.Request) {
	if ok, reason := o.Ready(r.Context()); !ok {
		answer(w, http.StatusServiceUnavailable, reason)
		return
	}
	answer(w, http.StatusOK, "ok")
}

func (o Options) status(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, o.Status(r.Context()))
}

// index shows the page to a browser, and to others what there is to ask.
func (o Options) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		statuspage.Handler().ServeHTTP(w, r)
		return
	}
	answer(w, http.StatusOK, "cdcsync "+o.Version+`

/metrics  for Prometheus
/healthz  200 while the pipeline answers
/readyz   200 while changes are delivered, else the reason why not

/api/v1/status       what is going on, as JSON
/api/v1/parked       parked objects: ?mapping= &code= &key= &waits= &limit= &after=
/api/v1/parked/{id}  one of them, with its payload
/api/v1/wait         whether a commit is in Marketo: ?lsn= &timeline= &hold=
/api/v1/trace        where a row is: ?mapping= &key=
/api/v1/backfills    rows that tables have, on their way
/api/v1/events       status and backfills, as server-sent events
/api/v1/history      the last hours in numbers: ?after=

A browser is shown the page here.`)
}

// history answers GET /api/v1/history.
func (o Options) history(w http.ResponseWriter, r *http.Request) {
	var after time.Time
	if text := r.URL.Query().Get("after"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("after is %q; give a time in seconds since 1970", text))
			return
		}
		after = time.Unix(seconds, 0)
	}
	reply(w, http.StatusOK, o.History(after))
}

// answer writes one plain text, which no cache may keep.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the caller may have left
}
