package marketo

import (
	"errors"
	"io"
	"sync"

	"github.com/cdcsync/cdcsync/internal/failpoint"
)

// buffer is a byte slice worth keeping.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 64<<10)} }}

// largestKept bounds what the pool holds on to after one unusual call.
const largestKept = 4 << 20

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// release gives the buffer back. Nothing may use its bytes any more.
func (b *buffer) release() {
	if cap(b.b) <= largestKept {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}

var errClosed = errors.New("read after close")

// payload is a request's body. The HTTP layer may still be reading it when the
// call has already failed, from a goroutine of its own, so the buffer goes
// back to the pool only when that layer closes the body. It has no way to be
// rewound: net/http repeats a POST by itself only when it can rewind the body
// or when the request carries an Idempotency-Key.
type payload struct {
	mu   sync.Mutex
	buf  *buffer
	off  int
	read bool
}

// Read implements io.Reader.
func (p *payload) Read(into []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf == nil {
		return 0, errClosed
	}
	p.read = true
	n := copy(into, p.buf.b[p.off:])
	p.off += n
	if p.off == len(p.buf.b) {
		failpoint.Hit("call.request_taken")
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (p *payload) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf != nil {
		p.buf.release()
		p.buf = nil
	}
	return nil
}

// started reports whether any byte was taken. If not, the other side has no
// body and cannot have executed the call. A nil payload never started.
func (p *payload) started() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}
