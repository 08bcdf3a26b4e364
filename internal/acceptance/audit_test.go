package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cdcsync/cdcsync/internal/audit"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var (
	auditExtracted = flag.Int("audit.extracted", 6000, "rows of TestAuditByExtract; 1000000 is what was promised")
	auditQueried   = flag.Int("audit.queried", 2000, "rows of TestAuditByQuery; 50000 is what was promised")
)

// orders are a type with a field of each kind, linked to leads.
func orders(created time.Time) simulator.Options {
	return simulator.Options{Types: []simulator.Type{{
		Name: "Order_c", Dedupe: []string{"code"}, Created: created, Link: simulator.Link{Field: "leadID", Lead: "Id"},
		Fields: []simulator.Field{
			{Name: "code", Type: simulator.String}, {Name: "leadID", Type: simulator.Integer}, {Name: "amount", Type: simulator.Currency},
			{Name: "placed", Type: simulator.DateTime}, {Name: "due", Type: simulator.Date}, {Name: "paid", Type: simulator.Boolean},
			{Name: "note", Type: simulator.Text}, {Name: "state", Type: simulator.String},
		},
	}}}
}

const ordersMapping = `
  - name: orders
    table: public.orders
    object: Order_c
    key: {code: code}
    where: state != "draft"
    on_delete: delete
    backfill: true
    attributes:
      leadID: lead
      amount: amount
      placed: placed
      due: due
      paid: paid
      note: {column: note, null: omit}
      state: state
`

// ordersWorld has that many rows, whose values Marketo writes in other ways, and
// their objects.
func ordersWorld(t *testing.T, api string, rows int, created time.Time) (*world, *process) {
	w := newWorld(t, server, api, orders(created))
	w.config.mappings = ordersMapping
	w.exec(`CREATE TABLE orders (code text PRIMARY KEY, lead bigint NOT NULL, amount numeric(12,4), placed timestamptz, due date, paid boolean, note text, state text NOT NULL)`)
	w.exec(`INSERT INTO orders SELECT 'o' || i, 1 + i / 3, i * 0.5000, '2026-01-01 00:00:00.123456+02'::timestamptz + i * interval '1 minute', '2026-02-01'::date + i % 30, i % 2 = 0,
		CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'Zürich, "a"' || chr(10) || 'b' ELSE 'null' END, 'sent' FROM generate_series(1, $1::int) i`, rows)
	w.exec(`INSERT INTO orders VALUES ('Upper', 1, NULL, NULL, NULL, NULL, NULL, 'sent'), ('d1', 1, 1, NULL, NULL, NULL, NULL, 'draft'), ('d2', 1, 1, NULL, NULL, NULL, NULL, 'draft'), ('d3', 1, 1, NULL, NULL, NULL, NULL, 'draft')`)
	w.exec(`ANALYZE orders`)
	p := w.start()
	await(t, 30*time.Minute, func() (bool, string) {
		all := w.backfills()
		return len(all) == 1 && all[0].State == "done", fmt.Sprintf("the backfills are %+v", all)
	})
	w.settle(p)
	return w, p
}

// marketo returns a client beside the program.
func (w *world) marketo() marketo.Client {
	w.t.Helper()
	loaded, err := config.Load(w.configure(), os.LookupEnv)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := daemon.Client(loaded.Marketo, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// plant makes objects what their rows do not say: of every fourth code one is
// removed, changed, or there twice, and others are there without a row that wants
// them. It returns what an audit has to find.
func (w *world) plant(codes, extra []string) (want map[audit.Kind][]string) {
	w.t.Helper()
	want = map[audit.Kind][]string{}
	shape := &marketo.Shape{Type: "Order_c", Key: []string{"code"}, Attributes: []string{"leadID", "amount"}}
	text := func(kind marketo.Kind, s string) marketo.Value { return marketo.Value{Kind: kind, Text: s} }
	object := func(code string) marketo.Object {
		return marketo.NewObject(shape, []marketo.Value{text(marketo.String, code), text(marketo.Number, "1"), text(marketo.Number, "12345.5")})
	}
	batches := map[marketo.Operation]*marketo.Batch{}
	add := func(op marketo.Operation, code string) {
		if batches[op] == nil {
			batches[op] = &marketo.Batch{Type: "Order_c", Operation: op}
		}
		batches[op].Objects = append(batches[op].Objects, object(code))
	}
	for i, code := range codes {
		kind := []audit.Kind{audit.Missing, audit.Different, audit.Doubled}[i%3]
		switch kind {
		case audit.Missing:
			add(marketo.Delete, code)
		case audit.Different:
			add(marketo.Upsert, code)
		case audit.Doubled:
			if !w.sim.Double("Order_c", code) {
				w.t.Fatalf("no object %s", code)
			}
		}
		want[kind] = append(want[kind], "code="+code)
	}
	for _, code := range extra {
		add(marketo.Upsert, code)
		want[audit.Extra] = append(want[audit.Extra], "code="+code)
	}
	for _, b := range batches {
		for some := range slices.Chunk(b.Objects, 100) {
			if reply := w.marketo().Sync(w.t.Context(), &marketo.Batch{Type: b.Type, Operation: b.Operation, Objects: some}); reply.Fault != nil {
				w.t.Fatal(reply.Fault)
			}
		}
	}
	for _, keys := range want {
		slices.Sort(keys)
	}
	return want
}

// audited is what an audit prints.
type audited struct {
	Calls    int             `json:"calls"`
	Forecast int             `json:"calls_forecast"`
	Mappings []audit.Tally   `json:"mappings"`
	Findings []audit.Finding `json:"findings"`
	Repaired []struct {
		Sent, Removed, Deleted, Left int
		Why                          []string `json:"left_because"`
	}
}

func (a *audited) found() map[audit.Kind][]string {
	found := map[audit.Kind][]string{}
	for _, f := range a.Findings {
		found[f.Kind] = append(found[f.Kind], f.Key)
	}
	for _, keys := range found {
		slices.Sort(keys)
	}
	return found
}

// audit runs the command.
func (w *world) audit(args ...string) (a audited, said string, code int) {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), w.program, append([]string{"audit", "-c", w.configure(), "--json"}, args...)...)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		case <-time.After(20 * time.Millisecond):
			w.resident = max(w.resident, residentOf(command.Process.Pid))
		}
	}
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &a); err != nil {
			w.t.Fatalf("audit: %v: %s", err, &out)
		}
	}
	return a, log.String(), command.ProcessState.ExitCode()
}

// residentOf is the most memory that a process had, in bytes; 0 where that is not
// known. What the kernel tells at its end has the memory of this test, too.
func residentOf(pid int) (most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &most); n == 1 && err == nil {
			return most << 10
		}
	}
	return 0
}

// spread returns n of the codes of rows, all over.
func spread(rows, n int) (codes []string) {
	for i := range n {
		codes = append(codes, "o"+strconv.Itoa(1+i*(rows/n)))
	}
	return codes
}

func sameFound(t *testing.T, got, want map[audit.Kind][]string) {
	t.Helper()
	for _, kind := range []audit.Kind{audit.Missing, audit.Different, audit.Extra, audit.Doubled} {
		if !slices.Equal(got[kind], want[kind]) {
			t.Errorf("%s: found %d: %.300s\nwant %d: %.300s", kind, len(got[kind]), fmt.Sprint(got[kind]), len(want[kind]), fmt.Sprint(want[kind]))
		}
	}
}

// TestAuditByQuery plants differences, finds each of them and nothing else, with
// the calls that were forecast. Values that Marketo writes in another way are none.
func TestAuditByQuery(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		rows, planted := *auditQueried, 97
		if api == "soap" {
			rows, planted = 60, 9
		}
		w, p := ordersWorld(t, api, rows, time.Now().Add(-time.Hour))
		arguments := []string{"--by", "query", "--max-calls", "2000"}
		if clean, said, code := w.audit(arguments...); code != 0 || len(clean.Findings) != 0 {
			t.Fatalf("clean, but exit code %d and %+v\n%s", code, clean.Findings, said)
		} else if m := clean.Mappings[0]; m.Extra != nil || !strings.Contains(m.ExtraUnknown, map[string]string{"rest": "--by extract", "soap": "SOAP API has no extracts"}[api]) {
			t.Errorf("objects without any row are not looked for: %+v", m)
		}
		want := w.plant(spread(rows, planted), []string{"d1", "d2", "d3"})
		before := len(w.sim.Calls())
		found, said, code := w.audit(arguments...)
		if code != 6 {
			t.Errorf("exit code %d\n%s", code, said)
		}
		sameFound(t, found.found(), want)
		for _, f := range found.Findings {
			if f.Kind == audit.Different && strings.Join(f.Attributes, " ") != "amount leadID" && strings.Join(f.Attributes, " ") != "amount" {
				t.Errorf("%s differs in %q", f.Key, f.Attributes)
			}
			if f.Kind == audit.Doubled && api == "rest" && len(f.Surplus) != 1 {
				t.Errorf("%s has these ids too much: %q", f.Key, f.Surplus)
			}
		}
		again := 1 // for 300 that differ
		if api == "soap" {
			again = planted + 3
		} else {
			again++ // the description of the type
		}
		made := 0
		for _, c := range w.sim.Calls()[before:] {
			if c.Operation == "get" || c.Operation == "describe" {
				made++
			}
		}
		if found.Calls != made || found.Calls > found.Forecast+again || found.Calls < found.Forecast {
			t.Errorf("%d calls, said to be %d; forecast %d, and %d more", made, found.Calls, found.Forecast, again)
		}
		if _, said, code := w.audit("--by", "query", "--max-calls", "3"); code != 2 || !strings.Contains(said, "--max-calls") {
			t.Errorf("too dear, but exit code %d\n%s", code, said)
		}
		if sample, said, code := w.audit("--sample", "20"); code != 0 && code != 6 || sample.Mappings[0].Compared != 20 {
			t.Errorf("sample: exit code %d, %+v\n%s", code, sample, said)
		}
		w.repairs(arguments, want)
		if api == "rest" {
			w.withoutExtracts()
		}
		w.noViolations()
		p.stop(t)
	})
}

// withoutExtracts has an audit that would go by extract find that the subscription
// has none.
func (w *world) withoutExtracts() {
	w.t.Helper()
	if a, said, code := w.audit("--max-calls", "2000", "--poll", "20ms"); code != 0 || a.Mappings[0].Method != audit.ByExtract || a.Mappings[0].Extra == nil {
		w.t.Errorf("exit code %d, %+v\n%s", code, a.Mappings, said)
	}
	if err := w.sim.Fail(simulator.Rule{Operation: "export", Code: "1035"}); err != nil {
		w.t.Fatal(err)
	}
	if a, said, code := w.audit("--max-calls", "2000"); code != 0 || a.Mappings[0].Method != audit.ByQuery || a.Mappings[0].Extra != nil || a.Mappings[0].Compared < *auditQueried {
		w.t.Errorf("without extracts: exit code %d, %+v\n%s", code, a.Mappings, said)
	}
	if _, said, code := w.audit("--by", "extract"); code != 1 || !strings.Contains(said, "--by query") {
		w.t.Errorf("by extract and nothing else: exit code %d\n%s", code, said)
	}
}

// repairs has an audit mend what it finds, and looks whether all of it is; over SOAP
// one of two objects cannot be removed.
func (w *world) repairs(arguments []string, want map[audit.Kind][]string) {
	w.t.Helper()
	left := map[audit.Kind][]string{}
	if w.api == "soap" {
		left[audit.Doubled] = want[audit.Doubled]
	}
	code := 0
	if len(left) > 0 {
		code = 6
	}
	for i, args := range [][]string{append(slices.Clone(arguments), "--repair", "--remove-extra"), arguments} {
		a, said, got := w.audit(args...)
		if got != code {
			w.t.Errorf("run %d: exit code %d, want %d; %+v\n%s", i, got, code, a.Repaired, said)
		}
		if i == 0 {
			sameFound(w.t, a.found(), want)
		} else {
			sameFound(w.t, a.found(), left)
		}
	}
}

// TestAuditBesideChanges finds nothing while rows change, as each suspect is looked
// at twice, and does not report what is parked.
func TestAuditBesideChanges(t *testing.T) {
	needServer(t)
	t.Parallel()
	w, p := ordersWorld(t, "rest", 900, time.Now().Add(-time.Hour))
	if err := w.sim.Fail(simulator.Rule{Operation: "sync", Objects: &simulator.ObjectFault{Key: "o7", Code: "1003"}}); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE orders SET amount = 7.25 WHERE code = 'o7'`)
	w.awaitParked(1)
	w.sim.SetLatency(simulator.Latency{Fixed: 30 * time.Millisecond})
	stop, stopped := make(chan struct{}), make(chan error, 1)
	url := w.config.url
	go func() {
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			stopped <- err
			return
		}
		defer conn.Close(context.Background())
		for n := 0; err == nil; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			_, err = conn.Exec(context.Background(), `UPDATE orders SET amount = amount + 1, placed = now() WHERE code = 'o' || (1 + $1::int % 40) OR code = 'o' || (500 + $1::int % 3)`, n)
			time.Sleep(3 * time.Millisecond)
		}
		stopped <- err
	}()
	waiting := 0
	for range 3 {
		a, said, code := w.audit("--by", "query")
		if code != 0 || len(a.Findings) != 0 {
			t.Errorf("exit code %d, %+v\n%s", code, a.Findings, said)
		}
		if len(a.Mappings) == 1 {
			waiting += a.Mappings[0].Waiting
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if waiting < 3 {
		t.Errorf("%d were on their way or parked; the parked one is in each audit", waiting)
	}
	w.settle(p)
	p.stop(t)
	if _, said, code := w.audit(); code != 1 || !strings.Contains(said, "cdcsync run") {
		t.Errorf("without the daemon: exit code %d\n%s", code, said)
	}
}

// TestAuditByExtract plants differences among objects of eight months, those without
// a row among them, and finds each of them and nothing else within forty calls.
func TestAuditByExtract(t *testing.T) {
	needServer(t)
	t.Parallel()
	const days, planted, extra = 243, 75, 25
	rows := *auditExtracted
	w, p := ordersWorld(t, "rest", rows, time.Now().AddDate(0, 0, -days))
	n := 0
	age := func(string) time.Time {
		n++
		return time.Now().Add(-time.Duration(n%(days*24)) * time.Hour)
	}
	w.sim.Age("Order_c", age)
	arguments := []string{"--by", "extract", "--max-calls", "40", "--poll", "50ms"}
	if clean, said, code := w.audit(arguments...); code != 0 || len(clean.Findings) != 0 {
		t.Fatalf("clean, but exit code %d and %+v\n%s", code, clean.Findings, said)
	}
	var codes []string
	for i := range extra - 2 {
		codes = append(codes, fmt.Sprint("x", i))
	}
	want := w.plant(spread(rows, planted), append(codes, "d1", "d2"))
	before := len(w.sim.Calls())
	began := time.Now()
	found, said, code := w.audit(arguments...)
	t.Logf("%d rows, %d objects: %d calls, %d forecast, %s", found.Mappings[0].Rows, found.Mappings[0].Objects, found.Calls, found.Forecast, time.Since(began).Round(time.Millisecond))
	if t.Logf("%d MiB of memory", w.resident>>20); w.resident > 128<<20 {
		t.Errorf("an audit took %d bytes of memory", w.resident)
	}
	if code != 6 || !strings.Contains(said, "by extract") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	sameFound(t, found.found(), want)
	counts := map[string]int{}
	made := 0
	for _, c := range w.sim.Calls()[before:] {
		// The daemon asks for a token, and now and then for the calls of others.
		if counts[c.Operation]++; c.Operation != "token" && c.Operation != "usage" {
			made++
		}
	}
	if made != found.Calls || made > 40 || found.Calls > found.Forecast+3 {
		t.Errorf("%d calls %v, said to be %d, forecast %d", made, counts, found.Calls, found.Forecast)
	}
	w.repairs(append(arguments, "--max-calls", "60"), want)
	w.noViolations()
	p.stop(t)
}

// TestAuditAmongManyExtracts: Marketo lists three hundred jobs of a week on a page, the
// oldest first as far as is known, and has the file of one a little after its end.
func TestAuditAmongManyExtracts(t *testing.T) {
	needServer(t)
	t.Parallel()
	w, p := ordersWorld(t, "rest", 50, time.Now().AddDate(0, 0, -10))
	extracts := w.marketo().(audit.Extractor)
	for range 310 {
		if _, err := extracts.CreateExtract(t.Context(), marketo.Extract{Type: "Order_c", Fields: []string{"code"}, From: time.Now().Add(-time.Hour), To: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	arguments := []string{"--by", "extract", "--max-calls", "100", "--poll", "50ms"}
	w.failing(simulator.Rule{Operation: "file", Status: 404})
	if _, said, code := w.audit(arguments...); code != 1 || !strings.Contains(said, "http_404") || strings.Contains(said, "%!") {
		t.Errorf("a file that never comes: exit code %d\n%s", code, said)
	}
	w.sim.Heal()
	w.failing(simulator.Rule{Operation: "file", Status: 404, Times: 2})
	a, said, code := w.audit(arguments...)
	if code != 0 || len(a.Mappings) != 1 || a.Mappings[0].Objects < 50 {
		t.Errorf("exit code %d, %+v\n%s", code, a, said)
	}
	w.noViolations()
	p.stop(t)
}

// brakedOrders has 20 orders at Marketo, of which so many may be deleted in an hour.
func brakedOrders(t *testing.T, most int) (*world, *process) {
	t.Helper()
	w := newWorld(t, server, "rest", orders(time.Now().Add(-time.Hour)))
	w.config.mappings, w.config.maxDeletes = ordersMapping, most
	w.exec(`CREATE TABLE orders (code text PRIMARY KEY, lead bigint, amount numeric, placed timestamptz, due date, paid boolean, note text, state text NOT NULL)`)
	w.exec(`INSERT INTO orders (code, lead, state) SELECT 'o' || i, 1, 'sent' FROM generate_series(1, 20) i`)
	p := w.start()
	w.awaitBackfill(p, "done")
	w.settle(p)
	return w, p
}

// TestAuditRemovesWithinTheBrake removes no more in an hour than deletions are
// allowed, and nothing where on_delete does not.
func TestAuditRemovesWithinTheBrake(t *testing.T) {
	needServer(t)
	t.Parallel()
	w, p := brakedOrders(t, 3)
	var extra []string
	for i := range 8 {
		extra = append(extra, fmt.Sprint("x", i))
	}
	w.plant(nil, extra)
	arguments := []string{"--by", "extract", "--poll", "50ms", "--repair"}
	if a, said, code := w.audit(arguments...); code != 6 || len(a.Repaired) != 1 || a.Repaired[0].Left != 8 || w.sim.Count("Order_c") != 28 {
		t.Errorf("without --remove-extra: exit code %d, %+v, %d objects\n%s", code, a.Repaired, w.sim.Count("Order_c"), said)
	}
	if _, said, code := w.audit(append(arguments, "--remove-extra")...); code != 1 || !strings.Contains(said, "max_deletes") || w.sim.Count("Order_c") != 25 {
		t.Errorf("beyond the brake: exit code %d, %d objects\n%s", code, w.sim.Count("Order_c"), said)
	}
	// A row that comes to want its object keeps it.
	w.exec(`INSERT INTO orders (code, lead, state) SELECT 'x' || i, 1, 'sent' FROM generate_series(0, 7) i`)
	if output, code := w.command("release", "orders"); code != 0 {
		t.Fatalf("release: %s", output)
	}
	w.awaitBackfill(p, "done")
	w.settle(p)
	if n := w.sim.Count("Order_c"); n != 28 {
		t.Errorf("%d objects of 28 rows", n)
	}
	if a, said, code := w.audit("--by", "extract", "--poll", "50ms"); code != 0 {
		t.Errorf("in the end: exit code %d, %+v\n%s", code, a.Findings, said)
	}
	p.stop(t)
}
