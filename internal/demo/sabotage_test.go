package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/cluster"
)

// The demo does not say that all agree when something does not: a row and an
// object that are changed behind the daemon's back, a position that was not
// confirmed.
func TestConclusionTellsTheTruth(t *testing.T) {
	var out strings.Builder
	o := Options{API: REST, Duration: time.Second, Rate: 200, Seed: 3, Out: &out}
	screen := &screen{out: &out}
	stage, err := build(t.Context(), nil, o)
	defer func() {
		if err := stage.close(); err != nil {
			t.Error(err)
		}
	}()
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	act := &act{stage: stage, options: o, screen: screen, began: time.Now()}
	if err := act.play(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := act.conclude(t.Context()); err != nil {
		t.Fatalf("conclude: %v, want nil\n%s", err, out.String())
	}
	conn, err := pgx.Connect(t.Context(), stage.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `UPDATE customers SET name = 'Nobody' WHERE id = $1`, act.workload.hot[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `DELETE FROM customers WHERE id = $1`, act.workload.hot[1]); err != nil {
		t.Fatal(err)
	}
	act.end++
	out.Reset()
	if err := act.conclude(t.Context()); !errors.Is(err, ErrDisagree) {
		t.Errorf("conclude: %v, want ErrDisagree", err)
	}
	for _, want := range []string{
		`different: Customer customerId=1: name is "Regular 1", should be "Nobody"`,
		"extra: Customer customerId=2",
		"before the last change",
		"0 missing, 1 extra, 1 different.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "all agree") {
		t.Error("the output says that all agree")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// A daemon that ends before the demo does is the demo's error.
func TestDaemonThatEnds(t *testing.T) {
	var out strings.Builder
	o := Options{API: SOAP, Duration: time.Minute, Rate: 100, Out: &out}
	stage, err := build(t.Context(), nil, o)
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Skip(err)
	}
	defer func() {
		if err := stage.close(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	stage.stopDaemon()
	act := &act{stage: stage, options: o, screen: &screen{out: &out}, began: time.Now()}
	if err := act.play(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the daemon ended") {
		t.Errorf("play: %v, want that the daemon ended", err)
	}
}
