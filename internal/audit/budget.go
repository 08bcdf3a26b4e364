package audit

import (
	"context"
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// ErrBudget says that the calls that were allowed are used up.
var ErrBudget = errors.New("the calls that were allowed are used up; allow more with --max-calls")

// Budget counts the calls to Marketo.
type Budget struct {
	// Most is how many there may be.
	Most int
	// Made is how many there were.
	Made int
	// Leave waits until a call may be made, beside those of others; nil does not.
	Leave func(ctx context.Context) error
}

// Admit takes one call, before it is made.
func (b *Budget) Admit(ctx context.Context) error {
	if b.Made >= b.Most {
		return ErrBudget
	}
	if b.Leave != nil {
		if err := b.Leave(ctx); err != nil {
			return err
		}
	}
	b.Made++
	return nil
}

// tries is how often a call is made that fails as a whole.
const tries = 4

// patient makes a call again that failed for a reason that passes.
func patient[T any](ctx context.Context, do func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		answer, err := do()
		var fault *marketo.Fault
		if err == nil || n == tries || !errors.As(err, &fault) || !passes(fault.Class) {
			return answer, err
		}
		if err := pause(ctx, max(fault.RetryAfter, time.Duration(n)*firstPause)); err != nil {
			return answer, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstPause is how long it is waited before a call is made again.
const firstPause = 2 * time.Second

func passes(c marketo.FaultClass) bool {
	switch c {
	case marketo.FaultRetry, marketo.FaultUnknown, marketo.FaultRate, marketo.FaultConcurrency, marketo.FaultExpired:
		return true
	}
	return false
}
