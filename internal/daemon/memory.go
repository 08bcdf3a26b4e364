package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapGrowth is by how many percent of what is in use the heap may grow
	// before garbage is collected.
	heapGrowth = 200
	// memoryFloor is what the runtime may use in any case, in bytes.
	memoryFloor = 38 << 20
	// memoryEvery is how often the limit follows what is in use.
	memoryEvery = time.Second
)

// tuneMemory trades memory that is free for time: while little is in use, which
// is always but for a queue that is full, garbage is collected a few times a
// second instead of dozens of times. Beyond memoryFloor, the heap grows to
// one and a half times what is in use. It goes on until ctx ends, and does
// nothing where GOGC or GOMEMLIMIT is set.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(heapGrowth))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryFloor))
	every := time.NewTicker(memoryEvery)
	defer every.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-every.C:
			metrics.Read(live)
			debug.SetMemoryLimit(memoryLimit(live[0].Value.Uint64()))
		case <-ctx.Done():
			return
		}
	}
}

// memoryLimit returns the limit for the runtime, in bytes, while live bytes of
// the heap are in use.
func memoryLimit(live uint64) int64 {
	const besides = 8 << 20 // stacks, and the runtime's own
	return max(memoryFloor, int64(live+live/2)+besides)
}
