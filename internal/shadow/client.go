package shadow

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Calls counts calls and their objects.
type Calls struct {
	Calls   int64 `json:"calls"`
	Objects int64 `json:"objects"`
	// Full and FullObjects are of those that had no room for one more object like
	// theirs.
	Full        int64 `json:"full_calls"`
	FullObjects int64 `json:"full_objects"`
}

// Client is a marketo.Client that confirms all objects of every call, and makes
// none. Its methods may be called from several goroutines at once.
type Client struct {
	capacity marketo.Capacity
	latency  time.Duration

	mu    sync.Mutex
	calls map[*marketo.Shape]Calls
}

var _ marketo.Client = (*Client)(nil)

// NewClient makes a Client whose calls carry as much as capacity and take as long
// as latency.
func NewClient(capacity marketo.Capacity, latency time.Duration) *Client {
	return &Client{capacity: capacity, latency: latency, calls: make(map[*marketo.Shape]Calls)}
}

// Login implements marketo.Client.
func (c *Client) Login(context.Context) error { return nil }

// Capacity implements marketo.Client.
func (c *Client) Capacity() marketo.Capacity { return c.capacity }

// Sync confirms the objects of b.
func (c *Client) Sync(ctx context.Context, b *marketo.Batch) marketo.Reply {
	if len(b.Objects) == 0 {
		return marketo.Reply{}
	}
	left := time.Now()
	c.count(b)
	if c.latency > 0 {
		select {
		case <-time.After(c.latency):
		case <-ctx.Done():
			return marketo.Reply{Fault: &marketo.Fault{Code: "connection", Message: ctx.Err().Error()}, Left: left}
		}
	}
	status := [...]marketo.Status{marketo.Upsert: marketo.Updated, marketo.Insert: marketo.Created, marketo.Update: marketo.Updated, marketo.Delete: marketo.Deleted}[b.Operation]
	results := marketo.NewResults(len(b.Objects))
	for i := range results {
		results[i] = marketo.Result{Status: status, Outcome: marketo.Confirmed}
	}
	return marketo.Reply{Results: results, Left: left}
}

func (c *Client) count(b *marketo.Batch) {
	full := len(b.Objects) >= c.capacity.Objects
	if !full && c.capacity.Bytes > 0 {
		size := c.capacity.Envelope
		for _, o := range b.Objects {
			size += c.capacity.Size(o, b.Operation)
		}
		full = size+(size-c.capacity.Envelope)/len(b.Objects) > c.capacity.Bytes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.calls[b.Objects[0].Shape] // a call is of one mapping
	n.Calls++
	n.Objects += int64(len(b.Objects))
	if full {
		n.Full++
		n.FullObjects += int64(len(b.Objects))
	}
	c.calls[b.Objects[0].Shape] = n
}

// Calls returns what was counted of each mapping, by the shape of its objects.
func (c *Client) Calls() map[*marketo.Shape]Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Store takes every save, and keeps nothing.
type Store struct{}

// Save implements pipeline.Store.
func (Store) Save(ctx context.Context, _ checkpoint.Save) error { return ctx.Err() }
