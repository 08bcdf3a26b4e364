package pipeline

import "sync"

// moved wakes those who wait for something to be settled.
type moved struct {
	mu   sync.Mutex
	next chan struct{}
}

// Moved returns a channel that is closed when the machine knows of the next save.
func (r *Runner) Moved() <-chan struct{} {
	m := &r.moved
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = make(chan struct{})
	}
	return m.next
}

func (m *moved) tell() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil {
		close(m.next)
		m.next = nil
	}
}
