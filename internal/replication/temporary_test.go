package replication_test

import (
	"context"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// A temporary slot is streamed over its own session, goes with it, and is not there
// for the next one.
func TestTemporarySlot(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE t (id int PRIMARY KEY)`)
	if err := d.source.CreatePublication(t.Context(), []catalog.TableName{{Schema: "public", Name: "t"}}); err != nil {
		t.Fatal(err)
	}
	point, err := d.source.CreateTemporarySlot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.exec(`INSERT INTO t VALUES (1)`)
	stream, err := d.source.Stream(t.Context(), point)
	if err != nil {
		t.Fatal(err)
	}
	for rows := 0; rows == 0; {
		m, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*pgoutput.Change); ok {
			rows++
		}
	}
	stream.Abort()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err = d.source.Stream(t.Context(), point)
		if replication.Diagnose(err) == replication.SlotMissing {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the slot is still there: %v", err)
		}
	}
	// One that nobody streams over goes by Release.
	if _, err := d.source.CreateTemporarySlot(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.source.Release(context.Background())
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		server, err := d.session().Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if server.Slot == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the slot is still there")
		}
	}
}
