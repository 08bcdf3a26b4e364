//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// plan is what the environment asks for.
type plan struct {
	name string
	at   int
	file *os.File

	mu   sync.Mutex
	hits map[string]int
}

var current = sync.OnceValue(func() *plan {
	p, err := read(os.Getenv(Variable), os.Getenv(RecordVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint:", err)
		os.Exit(2)
	}
	return p
})

func read(die, record string) (*plan, error) {
	p := &plan{hits: make(map[string]int)}
	if die != "" {
		name, text, _ := strings.Cut(die, ":")
		at, err := strconv.Atoi(text)
		if name == "" || err != nil || at < 1 {
			return nil, fmt.Errorf("%s is %q; write NAME:N with N from 1", Variable, die)
		}
		p.name, p.at = name, at
	}
	if record == "" {
		return p, nil
	}
	var err error
	p.file, err = os.OpenFile(record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	return p, nil
}

// Hit says that the process has come to the named place. It does not return
// when the process is to die there.
func Hit(name string) { current().hit(name) }

func (p *plan) hit(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits[name]++
	n := p.hits[name]
	if p.file != nil && n <= Recorded {
		if _, err := fmt.Fprintf(p.file, "%s %d\n", name, n); err != nil {
			fmt.Fprintln(os.Stderr, "failpoint: record:", err)
			os.Exit(2)
		}
	}
	if name == p.name && n == p.at {
		die()
	}
}

// die does not return: nothing behind the place may run.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint: kill:", err)
		os.Exit(2)
	}
	select {}
}
