// Package config reads the configuration file.
//
// Load reports every mistake of a file and of the mapping files it names in
// one run, each with file, line and column, the key's path, what was found and
// what is allowed. Unknown keys are mistakes. Values may refer to the
// environment as ${VAR}; they are expanded after the YAML is parsed, so that
// no value can add structure. Secrets cannot be printed.
//
// What can only be known from a database or from Marketo is not checked here.
package config

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Config is a configuration without mistakes.
type Config struct {
	// File is the main file, as it was given to Load.
	File     string
	Source   Source
	Marketo  Marketo
	Delivery Delivery
	State    State
	HTTP     HTTP
	Log      Log
	// Mappings are the definitions in the order of the files; Set is what
	// mapping.Compile made of them.
	Mappings []mapping.Definition
	Set      *mapping.Set
	// Warnings are what is allowed but not advised, one sentence each.
	Warnings []Mistake

	// definitions says where each of Mappings stands.
	definitions []entry
}

// Source is the PostgreSQL side.
type Source struct {
	// URL is a libpq URL or a key=value string. It may be unset when the PG*
	// variables of the environment say where to connect.
	URL Secret
	// Slot is the replication slot's name, "cdcsync" by default.
	Slot string
	// Publication is the publication's name, "cdcsync" by default.
	Publication string
	// PublishMapped has a publication that is created carry only the columns
	// that mappings read, and those of the replica identity.
	PublishMapped bool
}

// Marketo is the other side. Exactly one of SOAP and REST is set.
type Marketo struct {
	SOAP *SOAP
	REST *REST
	// Timeout bounds one call. Default 130 s: Marketo itself gives up after
	// 120 s, and a call that may still be executing has an unknown outcome.
	Timeout time.Duration
	Limits  Limits
}

// SOAP is how to reach the SOAP API.
type SOAP struct {
	// Endpoint is the full URL of the service.
	Endpoint  string
	UserID    Secret
	SecretKey Secret
}

// REST is how to reach the REST API.
type REST struct {
	// Endpoint is the instance's URL without /rest and without a slash at
	// the end.
	Endpoint     string
	ClientID     Secret
	ClientSecret Secret
}

// Limits are ours, which are at most Marketo's. Zero lifts one; that is
// allowed only for an endpoint on this machine.
type Limits struct {
	// CallsPer20s is the most calls in any 20 seconds; 50 by default, as
	// Adobe advises for one integration, at most 100.
	CallsPer20s int
	// ConcurrentCalls is the most calls at once; 5 by default, at most 10.
	ConcurrentCalls int
	// CallsPerDay is the most calls between two midnights, US Central;
	// 10,000 by default.
	CallsPerDay int
	// InstanceCallsPerDay is how many calls a day Marketo allows all integrations
	// together, for forecasts; 0 where that is not said.
	InstanceCallsPerDay int
}

// OnReject says what an object does that Marketo refuses for good.
type OnReject uint8

const (
	// Park stores the object with its reason and goes on.
	Park OnReject = iota
	// Halt stops delivery.
	Halt
)

// Delivery is how objects are batched, held and given up.
type Delivery struct {
	// MaxWait is the longest a change waits for its batch to fill; 1 s by
	// default. Zero sends at once.
	MaxWait time.Duration
	// MaxPending is the most objects in memory, 100,000 by default; beyond
	// it reading stops.
	MaxPending int
	// MaxPendingBytes is the same in bytes; 24 MiB by default. The process
	// takes about twice that, as garbage is collected when it has grown to as
	// much again, and 25 MiB besides.
	MaxPendingBytes int
	OnReject        OnReject
	// MaxParked is the most parked objects of all mappings, 10,000 by
	// default; beyond it delivery stops.
	MaxParked int
	// MaxDeletes is the most objects of one mapping that are deleted in an hour,
	// 1,000 by default; 0 lifts the limit.
	MaxDeletes int
	// BackfillShare is the part of the limits that backfills may use, 0.5 by
	// default, LiveReserve the part of a day's calls that they leave, 0.2.
	BackfillShare, LiveReserve float64
	// SuppressUnchanged leaves out objects that Marketo is known to have as they
	// are; off by default.
	SuppressUnchanged bool
	// MaxRetainedWAL is how many bytes of WAL the slot may make PostgreSQL keep
	// before the daemon is not ready, 10 GiB by default; 0 lifts the limit.
	MaxRetainedWAL int
	// UnknownHold is how long after the start of a call with unknown outcome
	// newer values of its keys wait; 150 s by default, never less than
	// Marketo.Timeout.
	UnknownHold time.Duration
	// ShutdownTimeout bounds an orderly stop; 30 s by default.
	ShutdownTimeout time.Duration
}

// State is where the durable state is kept.
type State struct {
	// SQLite is the path of the database file. A relative path in the file
	// is relative to the configuration file.
	SQLite string
}

// Path is SQLite from the root, for those who read of it elsewhere; as it is
// where the working directory is not known.
func (s State) Path() string {
	if absolute, err := filepath.Abs(s.SQLite); err == nil {
		return absolute
	}
	return s.SQLite
}

// HTTP is the page, the metrics and the API.
type HTTP struct {
	// Listen is host:port, 127.0.0.1:9640 by default. Port 0 takes any.
	Listen string
	// WebConfig is the path of a web configuration of Prometheus' exporter-toolkit:
	// TLS, users. "" for none.
	WebConfig string
	// TokenFile holds what acting and values need; not set for no such token.
	TokenFile Secret
}

// Log is how the log is written.
type Log struct {
	// Level is info by default.
	Level slog.Level
	// Format is "text", the default, or "json".
	Format string
}

// Default returns a Config with every default and nothing else.
func Default() *Config {
	return &Config{
		Source: Source{Slot: "cdcsync", Publication: "cdcsync"},
		Marketo: Marketo{
			Timeout: 130 * time.Second,
			Limits:  Limits{CallsPer20s: 50, ConcurrentCalls: 5, CallsPerDay: 10_000},
		},
		Delivery: Delivery{
			MaxWait:         time.Second,
			MaxPending:      100_000,
			MaxPendingBytes: 24 << 20,
			MaxParked:       10_000,
			MaxDeletes:      1000,
			BackfillShare:   0.5,
			LiveReserve:     0.2,
			MaxRetainedWAL:  10 << 30,
			UnknownHold:     150 * time.Second,
			ShutdownTimeout: 30 * time.Second,
		},
		State: State{SQLite: "cdcsync.db"},
		HTTP:  HTTP{Listen: "127.0.0.1:9640"},
		Log:   Log{Format: "text"},
	}
}

// Locate says where in the files a mistake of a mapping stands, such as one
// that mapping.Set.Bind found.
func (c *Config) Locate(m mapping.Mistake) Mistake {
	if m.Mapping < 0 || m.Mapping >= len(c.definitions) {
		return Mistake{Path: m.Path, Text: m.Text}
	}
	return c.definitions[m.Mapping].locate(m)
}
