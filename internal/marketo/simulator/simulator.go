// Package simulator is an http.Handler that behaves like a Marketo instance:
// the custom-object calls of the SOAP API and of the REST API, over the same
// stored objects. It is an independent reading of both contracts: it shares
// no code with the clients, so that each checks the other.
//
// It promises to refuse whatever the contract does not allow (element order,
// namespaces, signature, sizes, keys that stand twice in a call, unknown and
// mistyped attributes), to keep Marketo's limits, and to execute a request
// that it has received whole even when the client has gone away. Faults,
// latency and failing objects are programmed with Rules.
//
// It keeps everything in memory and knows custom objects only: no leads, so
// that "lead not found" has to be programmed, no bulk import. An extract has the
// objects that have something in the field that links them to a lead.
// Where Marketo's behaviour is not documented the strict choice was made, and
// the comment at that place says so.
package simulator

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// The credentials of a Simulator whose Options name none.
const (
	DefaultUserID       = "simulator_user"
	DefaultSecretKey    = "simulator_secret"
	DefaultClientID     = "simulator_client"
	DefaultClientSecret = "simulator_client_secret"
)

// Options configures a Simulator. The zero value is an instance without
// limits and without latency that learns its object types from the calls.
type Options struct {
	// UserID and SecretKey sign SOAP calls; ClientID and ClientSecret get the
	// REST token. Empty means the Default constants.
	UserID, SecretKey, ClientID, ClientSecret string
	// Types are the custom object types of the instance; calls for others are
	// refused. Nil means that types are learnt from the calls: over SOAP the
	// first call's key list names the dedupe fields, over REST they must be
	// given in Dedupe, because a REST call does not show them. Attributes of
	// a learnt type are added as they appear and hold any text.
	Types []Type
	// Dedupe names the dedupe fields of types that will be learnt. Such a
	// type exists from the start. Not used when Types is set.
	Dedupe map[string][]string
	// Keys is how the keys of types that are learnt are compared; a Type says
	// it of its own.
	Keys KeyRule
	// Limits of the instance; the zero value lifts all. See MarketoLimits.
	Limits Limits
	// Latency of every call but the token call; zero answers at once.
	Latency Latency
	// ApplyAtStart executes a call before its latency instead of after it:
	// the reply is late, not the effect.
	ApplyAtStart bool
	// Skew is how far the timestamp of a SOAP signature may be from the
	// clock, either way. Zero means 15 minutes, below zero lifts it. Marketo
	// does not document its own.
	Skew time.Duration
	// TokenLife is the life of a REST token; zero means an hour. The same
	// token is handed out until it expires.
	TokenLife time.Duration
	// EchoCase answers SOAP calls with the type name in another case (RoadShow
	// as Roadshow), as Marketo's own sample does.
	EchoCase bool
	// RecordKeys keeps the keys and statuses of each call in the call log.
	RecordKeys bool
	// RecordHistory keeps every value applied to every object: see History.
	RecordHistory bool
	// MaxCalls bounds the call log; the oldest calls leave it. Zero means
	// 100,000. Stats count them all the same.
	MaxCalls int
	// Exports is how objects are extracted in bulk.
	Exports Exports
	// ListedKeys refuses a query that names its objects in JSON where the type has one
	// dedupe field: Marketo documents that form for several.
	ListedKeys bool
	// Seed makes jitter and the probabilities of rules repeatable.
	Seed uint64
}

// Simulator is one Marketo instance. Its methods may be called from several
// goroutines at once.
type Simulator struct {
	opts    Options
	store   *store
	limiter *limiter
	journal *journal
	rules   *ruleList
	pace    *pace
	tokens  *tokens
	exports *exports

	mu       sync.Mutex
	released chan struct{} // closed by Release and Close
	closed   bool
}

// New returns a running instance. Whoever lets calls hang calls Close at the
// end, so that they leave.
func New(opts Options) *Simulator {
	fill(&opts.UserID, DefaultUserID)
	fill(&opts.SecretKey, DefaultSecretKey)
	fill(&opts.ClientID, DefaultClientID)
	fill(&opts.ClientSecret, DefaultClientSecret)
	if opts.Skew == 0 {
		opts.Skew = 15 * time.Minute
	}
	if opts.TokenLife == 0 {
		opts.TokenLife = time.Hour
	}
	if opts.MaxCalls == 0 {
		opts.MaxCalls = 100_000
	}
	return &Simulator{
		opts:     opts,
		store:    newStore(opts),
		limiter:  newLimiter(opts.Limits),
		journal:  newJournal(opts.MaxCalls),
		rules:    newRuleList(opts.Seed),
		pace:     newPace(opts.Latency, opts.Seed),
		tokens:   &tokens{life: opts.TokenLife},
		exports:  &exports{opts: opts.Exports},
		released: make(chan struct{}),
	}
}

func fill(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// ServeHTTP answers SOAP calls under /soap/mktows/, REST calls under /rest/,
// /bulk/ and /identity/, and the control API under /_simulator/.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/soap/mktows/"):
		s.serveSOAP(w, r)
	case strings.HasPrefix(r.URL.Path, "/rest/"), strings.HasPrefix(r.URL.Path, "/identity/"), strings.HasPrefix(r.URL.Path, "/bulk/"):
		s.serveREST(w, r)
	case strings.HasPrefix(r.URL.Path, "/_simulator/"):
		s.serveControl(w, r)
	default:
		http.NotFound(w, r)
	}
}

// SetLimits replaces the limits. The calls of the window and of the day stay
// counted.
func (s *Simulator) SetLimits(limits Limits) { s.limiter.set(limits) }

// SetLatency replaces the latency for calls that have not started.
func (s *Simulator) SetLatency(latency Latency) { s.pace.set(latency) }

// Release lets every call that hangs go on: it is executed and answered, if
// its client is still there.
func (s *Simulator) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		close(s.released)
		s.released = make(chan struct{})
	}
}

// Close ends every call that hangs without executing it, now and later.
func (s *Simulator) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.released)
	}
}

// Reset forgets objects, history, calls, counts, tokens and rules. Types,
// latency and limits stay; learnt types are forgotten.
func (s *Simulator) Reset() {
	s.Release()
	s.store.reset()
	s.limiter.reset()
	s.journal.reset()
	s.rules.reset()
	s.tokens.expire()
	s.exports.reset()
}

// ExpireTokens makes every REST token that was handed out expired (602).
func (s *Simulator) ExpireTokens() { s.tokens.expire() }

// hanging returns the channel that ends a hang, and whether the simulator was
// already closed.
func (s *Simulator) hanging() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released, s.closed
}

func (s *Simulator) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
