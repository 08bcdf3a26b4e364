package daemon

import (
	"context"
	"math"
	"os"
	"runtime/metrics"
	"testing"
	"time"
)

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int64
	}{
		{0, memoryFloor},
		{5 << 20, memoryFloor},
		{32 << 20, 56 << 20}, // half as much again
		{1 << 30, 3<<29 + 8<<20},
	} {
		if got := memoryLimit(c.live); got != c.want {
			t.Errorf("%d in use: limit %d, want %d", c.live, got, c.want)
		}
	}
}

// current returns the settings that tuneMemory changes.
func current() (percent, limit uint64) {
	settings := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(settings)
	return settings[0].Value.Uint64(), settings[1].Value.Uint64()
}

func TestTuneMemory(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Setenv(name, "") // what it was comes back at the end
		os.Unsetenv(name)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tuneMemory(ctx)
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if percent, limit := current(); percent == heapGrowth && limit >= memoryFloor && limit < math.MaxInt64 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the settings did not change")
		}
	}
	stop()
	<-ended
	if percent, limit := current(); percent != 100 || limit != math.MaxInt64 {
		t.Errorf("afterwards %d %% and %d, want what it was before", percent, limit)
	}
}

func TestTuneMemoryLeavesTheOperatorsSettingsAlone(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	tuneMemory(t.Context()) // returns at once
}
