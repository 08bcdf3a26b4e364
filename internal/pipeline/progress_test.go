package pipeline

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A transaction that goes on is told of once a minute, with how far it is, and
// its end once if it was; one that is over at once is not.
func TestProgressOfALargeTransaction(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	lines := func() int { return strings.Count(out.String(), "\n") }
	var p progress
	p.tell(began, log)
	p.begin(began, &pgoutput.Begin{Final: 5, XID: 7})
	p.end(began.Add(time.Second), 10, log)
	if lines() != 0 {
		t.Fatalf("told of a small one: %s", out.String())
	}
	p.begin(began, &pgoutput.Begin{Final: 5, XID: 7})
	p.note(9_999)
	if p.current().Large(began) || !p.current().Large(began.Add(10*time.Second)) {
		t.Error("one of 9,999 changes is large at once, or not after a while")
	}
	if p.note(10_000); !p.current().Large(began) {
		t.Error("one of 10,000 changes is not large")
	}
	for s := range 150 {
		p.tell(began.Add(time.Duration(s)*time.Second), log)
	}
	if lines() != 2 || !strings.Contains(out.String(), "changes=10000") || !strings.Contains(out.String(), "commit=0/5") {
		t.Errorf("in two and a half minutes: %s", out.String())
	}
	p.note(3) // it comes again over another connection
	p.end(began.Add(3*time.Minute), 12_345, log)
	if lines() != 3 || !strings.Contains(out.String(), "changes=12345") {
		t.Errorf("with its end: %s", out.String())
	}
	if p.current().Large(began.Add(time.Hour)) {
		t.Error("it is large after its end")
	}
}
