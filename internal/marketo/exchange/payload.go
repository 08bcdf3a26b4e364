package exchange

import (
	"bytes"
	"context"
	"io"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/failpoint"
)

// Buffer is a byte slice worth keeping.
type Buffer struct{ B []byte }

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, 64<<10)} }}

// LargestKept bounds what the pool holds on to after one unusual call.
const LargestKept = 4 << 20

func NewBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Release gives the buffer back. Nothing may use its bytes any more.
func (b *Buffer) Release() {
	if cap(b.B) <= LargestKept {
		b.B = b.B[:0]
		buffers.Put(b)
	}
}

// payload is a request's body. net/http writes the headers and a body in one
// go only where it knows the body's type to be in memory, which rules out one
// of our own that would see what is read of it; the trace of the request tells
// instead. The HTTP layer may still be reading when the call has already
// failed, from a goroutine of its own, so the buffer goes back to the pool only
// when that layer says that it is done; if it never does, the garbage
// collector sees to the buffer.
//
// The body has no way to be rewound: net/http repeats a POST by itself only
// when it can rewind the body or when the request carries an Idempotency-Key.
type payload struct {
	mu     sync.Mutex
	buf    *Buffer
	reader bytes.Reader
	// begun is set once any byte of the body may be on its way, over when the
	// call has ended before that: then none ever may.
	begun, over bool
	// left is when the last byte was on its way.
	left time.Time
}

// newPayload takes buf over.
func newPayload(buf *Buffer) *payload {
	p := &payload{buf: buf}
	p.reader.Reset(buf.B)
	return p
}

func (p *payload) body() io.ReadCloser { return io.NopCloser(&p.reader) }

// traced returns a context that tells p how its request fares.
func (p *payload) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: p.begin, WroteRequest: p.taken})
}

// begin is called where the body is about to be read, by the one who reads it.
func (p *payload) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		p.reader.Reset(nil) // shorter than announced: the request breaks off
		return
	}
	p.begun = true
}

// taken is called when nobody reads the body any more.
func (p *payload) taken(httptrace.WroteRequestInfo) {
	failpoint.Hit("call.request_taken")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = time.Now()
	if p.buf != nil {
		p.reader.Reset(nil)
		p.buf.Release()
		p.buf = nil
	}
}

// leftAt returns when the body had left; now, if it has begun to and nobody
// said when it ended, and zero if it never began. A nil payload never began.
func (p *payload) leftAt() time.Time {
	if p == nil {
		return time.Time{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.begun:
		return time.Time{}
	case p.left.IsZero():
		return time.Now()
	}
	return p.left
}

// started reports whether any byte was taken, and sees to it that none is
// after it has said no: then the other side has no body and cannot have
// executed the call. A nil payload never started.
func (p *payload) started() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = !p.begun
	return p.begun
}
