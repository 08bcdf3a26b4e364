package pipeline_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/replication"
)

var server *cluster.Cluster

func TestMain(m *testing.M) {
	var err error
	server, err = cluster.Start(context.Background(), cluster.Options{Settings: map[string]string{"wal_sender_timeout": "10s"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	server.Close()
	os.Exit(code)
}

// bench is a database, a simulated instance and a mapping between them.
type bench struct {
	t       *testing.T
	api     string
	db      *pgx.Conn
	url     string
	sim     *simulator.Simulator
	address string
	set     *mapping.Set
	path    string
}

var apis = []string{"soap", "rest"}

// visits is the mapping that most tests use.
var visits = mapping.Definition{
	Name: "visits", Schema: "public", Table: "visits", Object: "Visit",
	Key:        []mapping.Rule{{Attribute: "id", Column: "id"}},
	Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}, {Attribute: "note", Column: "note"}},
	OnDelete:   mapping.DeletePolicy{Delete: true},
}

func newBench(t *testing.T, api string, options simulator.Options, defs ...mapping.Definition) *bench {
	t.Helper()
	ctx := t.Context()
	name := fmt.Sprintf("d%d", time.Now().UnixNano())
	url, err := server.NewDatabase(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, api: api, url: url, path: filepath.Join(t.TempDir(), "state.db")}
	if b.db, err = pgx.Connect(ctx, url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.db.Close(context.Background()) })
	b.exec(`CREATE TABLE visits (id bigint PRIMARY KEY, city text, note text)`)
	if defs == nil {
		defs = []mapping.Definition{visits}
	}
	if options.Dedupe == nil {
		options.Dedupe = map[string][]string{"Visit": {"id"}}
	}
	b.sim = simulator.New(options)
	web := httptest.NewServer(b.sim)
	t.Cleanup(web.Close)
	t.Cleanup(b.sim.Close)
	b.address = web.URL
	if b.set, err = mapping.Compile(defs); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) source() *replication.Source {
	slot := "s" + b.db.Config().Database
	return &replication.Source{URL: b.url, Slot: slot, Publication: "p"}
}

func (b *bench) client() marketo.Client {
	b.t.Helper()
	var client marketo.Client
	var err error
	if b.api == "soap" {
		client, err = soap.New(soap.Config{
			Endpoint: b.address + "/soap/mktows/2_3", User: simulator.DefaultUserID,
			Secret: func() (string, error) { return simulator.DefaultSecretKey, nil },
		})
	} else {
		client, err = rest.New(rest.Config{
			Endpoint: b.address, User: simulator.DefaultClientID,
			Secret: func() (string, error) { return simulator.DefaultClientSecret, nil },
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return client
}

// life is one run of a Runner.
type life struct {
	b      *bench
	runner *pipeline.Runner
	stop   context.CancelFunc
	ended  chan error
	store  *sqlite.Store
}

// start runs a Runner on the store, making slot and publication at first.
func (b *bench) start(change func(*pipeline.Runner)) *life {
	b.t.Helper()
	ctx := b.t.Context()
	store, err := sqlite.Open(ctx, b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	state, err := store.Load(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	source := b.source()
	if state.Checkpoint == nil {
		var tables []catalog.TableName
		for _, t := range b.set.Tables() {
			tables = append(tables, catalog.TableName(t))
		}
		if err := source.CreatePublication(ctx, tables); err != nil {
			b.t.Fatal(err)
		}
		lsn, err := source.CreateSlot(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		at, err := source.Inspect(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		state.Checkpoint = &checkpoint.Checkpoint{
			System: at.System, Timeline: at.Timeline, Database: at.Database, Slot: source.Slot, LSN: lsn,
		}
		if err := store.Identify(ctx, *state.Checkpoint); err != nil {
			b.t.Fatal(err)
		}
	}
	client := b.client()
	config := delivery.DefaultConfig()
	for i := range b.set.Len() {
		d := b.set.Definition(i)
		config.Mappings = append(config.Mappings, delivery.Mapping{Name: d.Name, Object: d.Object, Shape: b.set.Shape(i), Separate: d.Separate})
	}
	config.Capacity = client.Capacity()
	config.Limits = marketo.Limits{ConcurrentCalls: 10}
	config.MaxWait = 100 * time.Millisecond
	runner := &pipeline.Runner{
		Source: source, Mappings: b.set, Client: client, Store: store, State: state, Config: config,
		Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
	}
	if change != nil {
		change(runner)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &life{b: b, runner: runner, stop: stop, ended: make(chan error, 1), store: store}
	go func() {
		err := runner.Run(ctx)
		store.Close()
		l.ended <- err
	}()
	b.t.Cleanup(func() { l.stop() })
	return l
}

// end stops the Runner in order.
func (l *life) end() {
	l.b.t.Helper()
	l.stop()
	if err := <-l.ended; err != nil {
		l.b.t.Fatalf("run: %v", err)
	}
}

// settle waits until everything that is committed is settled and confirmed.
func (l *life) settle(limit time.Duration) delivery.Report {
	l.b.t.Helper()
	var end string
	if err := l.b.db.QueryRow(l.b.t.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&end); err != nil {
		l.b.t.Fatal(err)
	}
	want, err := pgoutput.ParseLSN(end)
	if err != nil {
		l.b.t.Fatal(err)
	}
	deadline := time.Now().Add(limit)
	for {
		ctx, cancel := context.WithTimeout(l.b.t.Context(), 5*time.Second)
		report, err := l.runner.Report(ctx)
		cancel()
		if err != nil {
			select {
			case err = <-l.ended:
				l.ended <- err
			default:
			}
			l.b.t.Fatalf("report: %v", err)
		}
		if report.Synced >= want && report.Pending == 0 {
			return report
		}
		if time.Now().After(deadline) {
			l.b.t.Fatalf("not settled: confirmed %s of %s, pending %d, in flight %d, stalled %v, source %q",
				report.Synced, want, report.Pending, report.InFlight, report.Stalled, report.Source.Problem)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// agree compares the table with the simulator.
func (b *bench) agree() {
	b.t.Helper()
	rows, err := b.db.Query(b.t.Context(), "SELECT id::text, coalesce(city, ''), coalesce(note, '') FROM visits")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	objects := b.sim.Objects("Visit")
	n := 0
	for rows.Next() {
		var id, city, note string
		if err := rows.Scan(&id, &city, &note); err != nil {
			b.t.Fatal(err)
		}
		n++
		o, ok := objects[id]
		if !ok {
			b.t.Fatalf("row %s has no object (of %d)", id, len(objects))
		}
		if o["city"] != city || o["note"] != note {
			b.t.Fatalf("row %s differs: object %.80q, row city %.40q note %.40q", id, o, city, note)
		}
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	if n != len(objects) {
		b.t.Fatalf("rows %d, objects %d", n, len(objects))
	}
}

func TestBacklogFillsEveryCall(t *testing.T) {
	for _, api := range apis {
		t.Run(api, func(t *testing.T) {
			b := newBench(t, api, simulator.Options{Latency: simulator.Latency{Fixed: 50 * time.Millisecond}})
			l := b.start(func(r *pipeline.Runner) { r.Config.MaxWait = time.Second })
			began := time.Now()
			for i := range 200 {
				b.exec(`INSERT INTO visits SELECT i, 'city ' || i, 'note' FROM generate_series($1::int, $2::int) i`, i*100+1, i*100+100)
			}
			report := l.settle(60 * time.Second)
			t.Logf("%d calls for %d objects in %s", report.Calls, report.Objects, time.Since(began).Round(time.Millisecond))
			l.end()
			b.agree()
			full, short := 0, 0
			most := map[string]int{"soap": 100, "rest": 300}[api]
			calls := b.sim.Calls()
			for _, c := range calls {
				switch {
				case c.Operation != "sync":
				case c.Objects == most:
					full++
				default:
					short++
				}
			}
			if short > 3 || full < 20_000/most-3 {
				t.Errorf("calls with %d objects: %d, with fewer: %d", most, full, short)
			}
		})
	}
}
