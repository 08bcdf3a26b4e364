package replication

import (
	"errors"
	"testing"
)

// An attempt that fails with TLS and without it in the same way is told once.
func TestOneLine(t *testing.T) {
	err := oneLine{errors.New("cannot connect:\n\ta: refused\n\ta: refused\n\tb: refused")}
	if got, want := err.Error(), "cannot connect:; a: refused; b: refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
