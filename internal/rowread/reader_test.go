package rowread_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
	"github.com/cdcsync/cdcsync/internal/rowread"
)

// Every read is answered once, whatever came of it, over few sessions; they are
// gone when Run has ended.
func TestEveryReadIsAnsweredOnce(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE users (id int PRIMARY KEY, v text);
		INSERT INTO a SELECT i, 'a' || i FROM generate_series(1, 1000) i; INSERT INTO b SELECT i, 'b' || i FROM generate_series(1, 1000) i;
		INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i`)
	definition := func(table string, rule mapping.Rule) mapping.Definition {
		return mapping.Definition{Name: table, Schema: "public", Table: table, Object: "O" + table, Key: []mapping.Rule{{Attribute: "id", Column: "id"}}, Attributes: []mapping.Rule{rule}}
	}
	set, err := mapping.Compile([]mapping.Definition{
		definition("a", mapping.Rule{Attribute: "v", Column: "v"}),
		definition("b", mapping.Rule{Attribute: "v", Lookup: lookup("public.users", "v", match("id", "id")), OmitNull: true}),
		definition("missing", mapping.Rule{Attribute: "v", Column: "v"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := rowread.New(d.source, set, slog.New(slog.DiscardHandler))
	life, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- r.Run(life) }()
	const reads = 1200
	for n := range reads {
		read := delivery.Read{Read: uint64(n), Mapping: n % 3, Object: marketo.NewObject(set.Shape(n%3), []marketo.Value{{Kind: marketo.Number, Text: fmt.Sprint(n + 1)}, {}})}
		if n%30 == 0 {
			read.XID = 1 << 30 // which has not begun yet
		}
		r.Ask(read)
	}
	answers, sessions := map[uint64]delivery.RowRead{}, 0
	for len(answers) < reads {
		select {
		case row := <-r.Answers():
			if _, twice := answers[row.Read]; twice {
				t.Fatalf("read %d was answered twice", row.Read)
			}
			answers[row.Read] = row
		case <-time.After(20 * time.Second):
			t.Fatalf("%d answers of %d", len(answers), reads)
		}
		if len(answers)%200 == 0 {
			// One that was closed is there until its process has ended.
			n := d.sessions()
			for tries := 0; n > 4 && tries < 40; tries++ {
				time.Sleep(50 * time.Millisecond)
				n = min(n, d.sessions())
			}
			sessions = max(sessions, n)
		}
	}
	if sessions > 4 {
		t.Errorf("%d sessions, want 4 at most", sessions)
	}
	for n := range uint64(reads) {
		row, id := answers[n], int(n)+1
		value := ""
		if row.Write.Object.Shape != nil {
			value = row.Write.Object.Value(1).Text
		}
		var want string
		switch {
		case n%3 == 2:
			if row.Err == nil || !row.SetUp {
				t.Fatalf("read %d of a table that is missing: %+v", n, row)
			}
		case n%30 == 0:
			if !row.Unseen || row.Err == nil {
				t.Fatalf("read %d of a transaction to come: %+v", n, row)
			}
		case id > 1000:
			if row.State != delivery.RowGone || row.Err != nil {
				t.Fatalf("read %d of no row: %+v", n, row)
			}
		case n%3 == 0:
			want = fmt.Sprint("a", id)
		case id <= 500:
			want = fmt.Sprint("user ", id)
		}
		if value != want || row.Write.Sought != nil || n%3 != 2 && id <= 1000 && n%30 != 0 && (row.State != delivery.RowMatches || row.Seen == nil) {
			t.Fatalf("read %d: %q, want %q, in %+v", n, value, want, row)
		}
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	clustertest.Eventually(t, "all sessions have ended", func() bool {
		return d.value("SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()") == "0"
	})
}

// A connection that is half-open, without a byte and without an end, holds rows up
// for as long as the server may take, and no longer: the read is answered with an
// error, which has it asked again, over another connection.
func TestHalfOpenSessionIsGivenUp(t *testing.T) {
	d := newDatabase(t, `CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'one')`)
	set, err := mapping.Compile([]mapping.Definition{{Name: "a", Schema: "public", Table: "a", Object: "A",
		Key: []mapping.Rule{{Attribute: "id", Column: "id"}}, Attributes: []mapping.Rule{{Attribute: "v", Column: "v"}}}})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(d.cluster.URL(d.name))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := faultproxy.Listen(target.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	target.Host = proxy.Addr()
	r := rowread.New(&replication.Source{URL: target.String(), Slot: d.name, Publication: d.name, ConnectTimeout: time.Second}, set, slog.New(slog.DiscardHandler))
	r.SetPatience(500 * time.Millisecond)
	life, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- r.Run(life) }()
	ask := func(n uint64) delivery.RowRead {
		t.Helper()
		r.Ask(delivery.Read{Read: n, Object: marketo.NewObject(set.Shape(0), []marketo.Value{{Kind: marketo.Number, Text: "1"}, {}})})
		select {
		case row := <-r.Answers():
			return row
		case <-time.After(20 * time.Second):
			t.Fatalf("read %d is not answered", n)
		}
		panic("unreachable")
	}
	if row := ask(1); row.Err != nil || row.State != delivery.RowMatches {
		t.Fatalf("got %+v", row)
	}
	lost := faultproxy.Flow{Lose: true}
	proxy.Set(faultproxy.Faults{Up: lost, Down: lost})
	for n := uint64(2); n <= 3; n++ { // over the session that stood, and over a new one
		if row := ask(n); row.Err == nil || row.SetUp {
			t.Errorf("read %d over a connection that is half-open: %+v", n, row)
		}
	}
	proxy.Set(faultproxy.Faults{})
	row := ask(4)
	for n := uint64(5); row.Err != nil && n < 20; n++ { // connections that were being made end with the fault
		row = ask(n)
	}
	if row.Err != nil || row.State != delivery.RowMatches {
		t.Errorf("once it is fixed: %+v", row)
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// sessions counts those of the reader.
func (d *database) sessions() (n int) {
	fmt.Sscan(d.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cdcsync'"), &n)
	return n
}
