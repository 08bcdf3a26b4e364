package acceptance_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

var apis = []string{"soap", "rest"}

// eachAPI runs a test once for each API, beside other tests.
func eachAPI(t *testing.T, test func(t *testing.T, api string)) {
	needServer(t)
	t.Parallel()
	for _, api := range apis {
		t.Run(api, func(t *testing.T) { test(t, api) })
	}
}

// oneAPI runs a slow test for one API, and for both with -long.
func oneAPI(t *testing.T, usual string, test func(t *testing.T, api string)) {
	needServer(t)
	t.Parallel()
	for _, api := range apis {
		if api == usual || *long {
			t.Run(api, func(t *testing.T) { test(t, api) })
		}
	}
}

// world is a database, a simulated instance and a configuration that joins
// them.
type world struct {
	t        *testing.T
	api      string
	cluster  *cluster.Cluster
	database string
	conn     *pgx.Conn
	sim      *simulator.Simulator
	config   settings
	dir      string
	// program is what launch starts; tests of memory and of very many rows take
	// it as it is released.
	program string
	// resident is the most memory that an audit took, in bytes; 0 where it is not
	// known.
	resident int64
	// connections are those of the program with the simulator.
	connections connections
}

// settings are the parts of a configuration that tests change.
type settings struct {
	url, slot, publication string
	// urlFile, when set, is the file of the configuration's directory that has
	// the URL.
	urlFile        string
	endpoint       string
	timeout        time.Duration
	limits         string
	maxWait        time.Duration
	maxPending     int
	maxDeletes     int // 0 is no limit
	maxParked      int
	maxRetained    string // "" is the default
	suppress       bool
	hold, shutdown time.Duration
	listen         string
	level          string
	mappings       string
	state          string
}

var databases atomic.Int64

// newWorld makes a database on c, a simulator and a configuration without
// limits and without mappings.
func newWorld(t *testing.T, c *cluster.Cluster, api string, options simulator.Options) *world {
	t.Helper()
	place(t)
	name := fmt.Sprintf("d%d", databases.Add(1))
	url, err := c.NewDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, api: api, cluster: c, database: name, dir: t.TempDir(), sim: simulator.New(options), program: program}
	web := httptest.NewUnstartedServer(w.sim)
	web.Config.ConnState = w.connections.note
	web.Start()
	t.Cleanup(func() {
		w.sim.Close()
		web.Close()
	})
	w.config = settings{
		url: url, slot: name, publication: name, endpoint: web.URL,
		timeout: 10 * time.Second, limits: "{calls_per_20s: 0, concurrent_calls: 10, calls_per_day: 0}",
		maxWait: 100 * time.Millisecond, maxPending: 100_000, maxParked: 10_000,
		hold: 10 * time.Second, shutdown: 20 * time.Second,
		listen: "127.0.0.1:" + strconv.Itoa(freePort(t)), level: "info",
		state: "state.db",
	}
	w.secret(simulator.DefaultSecretKey, simulator.DefaultClientSecret)
	t.Cleanup(w.dropSlot)
	return w
}

// portsGiven are those that a test has, which may not listen yet.
var portsGiven sync.Map

// freePort returns a port that nobody listens on, below those that systems
// hand out by themselves: one of those could be taken until it is used.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(16000)
		if _, given := portsGiven.LoadOrStore(port, true); given {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port")
	return 0
}

// dropSlot frees the slot for other tests; the server may be stopped.
func (w *world) dropSlot() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	w.disconnect()
	_ = w.cluster.Exec(ctx, w.database, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active")
}

// secret writes the files that the credentials are read from.
func (w *world) secret(soap, rest string) {
	w.t.Helper()
	w.write("secret_key", soap)
	w.write("client_secret", rest)
}

// write writes a file of the configuration's directory.
func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// configure writes the configuration and returns its path.
func (w *world) configure() string {
	w.t.Helper()
	c := w.config
	marketo := fmt.Sprintf("  soap:\n    endpoint: %s/soap/mktows/2_3\n    user_id: %s\n    secret_key_file: secret_key\n", c.endpoint, simulator.DefaultUserID)
	if w.api == "rest" {
		marketo = fmt.Sprintf("  rest:\n    endpoint: %s\n    client_id: %s\n    client_secret_file: client_secret\n", c.endpoint, simulator.DefaultClientID)
	}
	retained := ""
	if c.maxRetained != "" {
		retained = "max_retained_wal: " + c.maxRetained + ", "
	}
	url := "url: '" + c.url + "'"
	if c.urlFile != "" {
		url = "url_file: " + c.urlFile
	}
	return w.write("cdcsync.yaml", fmt.Sprintf(`source: {%s, slot: %s, publication: %s}
marketo:
%s  timeout: %s
  limits: %s
delivery: {%smax_wait: %s, max_pending: %d, max_deletes: %d, max_parked: %d, suppress_unchanged: %t, unknown_hold: %s, shutdown_timeout: %s}
state: sqlite:%s
http: {listen: '%s'}
log: {level: %s}
mappings:
%s`, url, c.slot, c.publication, marketo, c.timeout, c.limits, retained, c.maxWait, c.maxPending, c.maxDeletes, c.maxParked, c.suppress, c.hold, c.shutdown, c.state, c.listen, c.level, c.mappings))
}

// launch starts the program on the configuration as it is now.
func (w *world) launch() *process {
	w.t.Helper()
	return launch(w.t, w.program, "run", "-c", w.configure())
}

// start starts the program and waits until it streams.
func (w *world) start() *process {
	w.t.Helper()
	p := w.launch()
	w.awaitReady(p)
	return p
}

// awaitReady waits until /readyz says yes.
func (w *world) awaitReady(p *process) {
	w.t.Helper()
	await(w.t, time.Minute, func() (bool, string) {
		if p.ended() {
			w.t.Fatalf("the program ended with exit code %d", p.cmd.ProcessState.ExitCode())
		}
		status, body := w.get("/readyz")
		return status == http.StatusOK, "not ready: " + body
	})
}

// get asks one of the program's endpoints; status 0 when nobody answers.
func (w *world) get(path string) (status int, body string) {
	w.t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + w.config.listen + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(data)
}

// db returns a connection to the database, a new one when the last one broke.
func (w *world) db() *pgx.Conn {
	w.t.Helper()
	if w.conn == nil || w.conn.IsClosed() {
		conn, err := pgx.Connect(w.t.Context(), w.cluster.URL(w.database))
		if err != nil {
			w.t.Fatal(err)
		}
		w.conn = conn
	}
	return w.conn
}

// disconnect closes the connection; it may be broken.
func (w *world) disconnect() {
	if w.conn != nil {
		_ = w.conn.Close(context.Background())
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%.200s: %v", sql, err)
	}
}

// value returns the one value of a query as text; "" for null or no row.
func (w *world) value(sql string, args ...any) string {
	w.t.Helper()
	rows, err := w.db().Query(w.t.Context(), "SELECT ("+sql+")::text", args...)
	if err != nil {
		w.t.Fatalf("%.200s: %v", sql, err)
	}
	text, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[*string])
	if err != nil {
		w.t.Fatalf("%.200s: %v", sql, err)
	}
	if text == nil {
		return ""
	}
	return *text
}

// version is the server's major version.
func (w *world) version() int {
	w.t.Helper()
	n, err := strconv.Atoi(w.value(`current_setting('server_version_num')::int / 10000`))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) lsn(sql string, args ...any) pgoutput.LSN {
	w.t.Helper()
	text := w.value(sql, args...)
	if text == "" {
		return 0
	}
	lsn, err := pgoutput.ParseLSN(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return lsn
}

// confirmed returns what the slot has been told to forget.
func (w *world) confirmed() pgoutput.LSN {
	w.t.Helper()
	return w.lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", w.config.slot)
}

// settle waits until the slot has been told to forget everything committed so
// far.
func (w *world) settle(p *process) {
	w.t.Helper()
	w.settleWithin(p, 2*time.Minute)
}

func (w *world) settleWithin(p *process, limit time.Duration) {
	w.t.Helper()
	want := w.lsn("SELECT pg_current_wal_lsn()")
	deadline := time.Now().Add(limit)
	await(w.t, limit, func() (bool, string) {
		if p.ended() {
			w.t.Fatalf("the program ended with exit code %d", p.cmd.ProcessState.ExitCode())
		}
		got, reason := w.confirmed(), ""
		if got < want && time.Until(deadline) < time.Second {
			_, body := w.get("/readyz")
			reason = fmt.Sprintf("confirmed %s of %s; readyz: %s", got, want, strings.TrimSpace(body))
		}
		return got >= want, reason
	})
}

// writes returns the sync and delete calls that were executed.
func (w *world) writes() []simulator.Call {
	var writes []simulator.Call
	for _, c := range w.sim.Calls() {
		if (c.Operation == "sync" || c.Operation == "delete") && !c.Applied.IsZero() {
			writes = append(writes, c)
		}
	}
	return writes
}

// noViolations checks that the program did nothing that a client of Marketo
// must know not to do.
func (w *world) noViolations() {
	w.t.Helper()
	if v := w.sim.Stats().Violations; len(v) > 0 {
		w.t.Errorf("violations: %v", v)
	}
}
