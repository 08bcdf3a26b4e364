package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a Secret shows of itself.
const hidden = "(secret)"

// Secret is a value that cannot be printed: not by any verb of fmt, not as
// JSON, YAML or text, not by slog. The value lies behind a function, so that
// it stays hidden even where no method of Secret can be called (an unexported
// field printed with %+v). The zero Secret is not set.
type Secret struct {
	reveal func() (string, error)
}

// NewSecret returns a Secret with a value that is known.
func NewSecret(value string) Secret {
	return Secret{func() (string, error) { return value, nil }}
}

// IsSet reports whether there is a value to reveal.
func (s Secret) IsSet() bool { return s.reveal != nil }

// Reveal returns the value. One that comes from a file is read again each
// time, so that it can be changed without a restart.
func (s Secret) Reveal() (string, error) {
	if s.reveal == nil {
		return "", errors.New("the secret is not set")
	}
	return s.reveal()
}

// Format writes the same for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String hides the value.
func (Secret) String() string { return hidden }

// GoString hides the value.
func (Secret) GoString() string { return hidden }

// LogValue hides the value from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the value.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// MarshalYAML hides the value.
func (Secret) MarshalYAML() (any, error) { return hidden, nil }
