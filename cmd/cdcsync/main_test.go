package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/replication"
)

func TestExitCode(t *testing.T) {
	stream := func(reason replication.Reason) error {
		return fmt.Errorf("read stream: %w", &replication.Error{Reason: reason, Err: errors.New("reason")})
	}
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"all went well", nil, 0},
		{"something failed", errors.New("reason"), 1},
		{"interrupted", context.Canceled, 1},
		{"no right to stream", stream(replication.Privileges), 1},
		{"configuration", fmt.Errorf("run: %w", usageError{errors.New("reason")}), 2},
		{"a pooler", stream(replication.Pooler), 2},
		{"a variable that cannot be used", stream(replication.Configuration), 2},
		{"refused", fmt.Errorf("run: %w", &checkpoint.Refusal{Code: checkpoint.Gap}), 3},
		{"slot dropped", stream(replication.SlotMissing), 3},
		{"slot invalidated", stream(replication.SlotLost), 3},
		{"publication dropped", stream(replication.PublicationMissing), 3},
		{"slot advanced", stream(replication.Gap), 3},
		{"server restored", stream(replication.ServerBehind), 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.err); got != tt.want {
				t.Errorf("exitCode(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}
