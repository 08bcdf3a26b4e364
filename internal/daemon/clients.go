package daemon

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Client returns the client of the configured API. admit, when set, is asked
// before each call but those that carry objects.
func Client(m config.Marketo, admit func(context.Context) error) (marketo.Client, error) {
	if m.SOAP != nil {
		if _, err := m.SOAP.UserID.Reveal(); err != nil {
			return nil, err
		}
		return soap.New(soap.Config{
			Endpoint: m.SOAP.Endpoint, ID: m.SOAP.UserID.Reveal, Secret: m.SOAP.SecretKey.Reveal, Timeout: m.Timeout, Admit: admit,
		})
	}
	if _, err := m.REST.ClientID.Reveal(); err != nil {
		return nil, err
	}
	return rest.New(rest.Config{
		Endpoint: m.REST.Endpoint, ID: m.REST.ClientID.Reveal, Secret: m.REST.ClientSecret.Reveal, Timeout: m.Timeout, Admit: admit,
	})
}

// Source returns the source of a configuration. Its URL is revealed for every
// connection, so that a password may be changed in its file.
func Source(c config.Source) (*replication.Source, error) {
	s := &replication.Source{Slot: c.Slot, Publication: c.Publication}
	if c.URL.IsSet() {
		s.Reveal = c.URL.Reveal
	}
	return s, s.Validate()
}

// Limiter counts the calls that are made while there is no pipeline, with those
// of the life that left state.
func Limiter(m config.Marketo, state checkpoint.State, now time.Time) *marketo.Limiter {
	l := marketo.NewLimiter(Limits(m))
	l.Restore(marketo.Quota(state.Quota), now)
	for range state.InFlight {
		l.Inherit(now)
	}
	return l
}

// Limits are those of the configuration.
func Limits(m config.Marketo) marketo.Limits {
	return marketo.Limits{
		CallsPer20s:     m.Limits.CallsPer20s,
		ConcurrentCalls: m.Limits.ConcurrentCalls,
		CallsPerDay:     m.Limits.CallsPerDay,
	}
}
