package acceptance_test

import (
	"debug/elf"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestNothingConfidentialIsShown puts values that can be told from all others
// into rows and secrets, lets everything go wrong that can, and looks for them
// in all that the program prints and serves.
func TestNothingConfidentialIsShown(t *testing.T) {
	const value, password, secret, wrong = "canary-of-a-row", "canary-password", "canary-secret", "canary-wrong-secret"
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, nil)
		w := newItems(t, c, api, 0, simulator.Options{SecretKey: secret, ClientSecret: secret})
		w.config.url = strings.Replace(w.config.url, "postgres@", "postgres:"+password+"@", 1)
		w.config.level = "debug"
		w.config.timeout, w.config.hold = 2*time.Second, 2*time.Second
		w.config.mappings = items + `    where: 'pad != "filtered"'` + "\n" + numbers
		w.exec(`CREATE TABLE numbers (id text PRIMARY KEY, n float8, pad text)`)
		w.secret(wrong, wrong)
		var shown []string
		look := func() {
			for _, path := range []string{"/metrics", "/readyz", "/healthz", "/"} {
				_, body := w.get(path)
				shown = append(shown, body)
			}
		}
		p := w.start()
		w.exec(`INSERT INTO items VALUES (1, 1, '` + value + `')`)
		await(t, time.Minute, func() (bool, string) {
			status, _ := w.get("/readyz")
			return status == http.StatusServiceUnavailable, "ready with a wrong secret"
		})
		look()
		w.secret(secret, secret)
		w.awaitReady(p)
		w.settle(p)

		if err := w.sim.Fail(
			simulator.Rule{Operation: "sync", Times: 1, Hang: 3 * time.Second},
			simulator.Rule{Operation: "sync", Times: 1, Status: 503},
			simulator.Rule{Operation: "sync", Times: 1, Reply: simulator.SpoilMalformed},
			simulator.Rule{Operation: "sync", Times: 1, Reply: simulator.SpoilForeign},
			simulator.Rule{Operation: "sync", Times: 1, Drop: simulator.DropAfter},
			simulator.Rule{Objects: &simulator.ObjectFault{Fields: map[string]string{"id": "2"}, Code: "1006", Message: "Field not found"}},
		); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			`INSERT INTO items SELECT i, 1, '` + value + `' || i FROM generate_series(2, 20) i`,
			`INSERT INTO numbers VALUES ('` + value + `', 'NaN', '` + value + `')`,                                 // no number of Marketo's
			`INSERT INTO numbers VALUES ('` + value + `2', 1, '` + value + `' || chr(1))`,                          // a character that XML cannot carry
			`INSERT INTO numbers VALUES ('` + value + `3' || chr(1), 1, 'pad')`,                                    // in a key
			`INSERT INTO numbers SELECT '` + value + `' || i, i, repeat('x', 300000) FROM generate_series(4, 9) i`, // large
			`UPDATE numbers SET id = id || 'moved' WHERE n > 3`,                                                    // NaN is, for PostgreSQL
		} {
			w.exec(sql)
			look()
		}
		w.settle(p)
		if _, body := w.get("/metrics"); !strings.Contains(body, "\n"+`cdcsync_unmappable_total{mapping="numbers"} 4`+"\n") {
			t.Error("rows that cannot be mapped were not noticed")
		}
		w.stopServer(cluster.Immediate)
		await(t, time.Minute, func() (bool, string) {
			status, body := w.get("/readyz")
			return status == http.StatusServiceUnavailable && strings.Contains(body, "postgresql"), "readyz without a server: " + body
		})
		look()
		if err := c.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.awaitReady(p)
		w.exec(`ALTER TABLE numbers ALTER n TYPE bytea USING '` + value + `'::bytea`)
		w.exec(`UPDATE numbers SET pad = '` + value + `'`)
		await(t, time.Minute, func() (bool, string) {
			status, body := w.get("/readyz")
			return status == http.StatusServiceUnavailable, "ready with a column that cannot be mapped: " + body
		})
		look()
		p.signal(t, syscall.SIGTERM)
		p.exit(t, time.Minute)
		w.config.mappings += "    colour: " + value + "\n"
		if code := launch(t, program, "run", "-c", w.configure()).exit(t, time.Minute); code != 2 {
			t.Errorf("exit code with a wrong key = %d, want 2", code)
		}

		shown = append(shown, p.output.String())
		for _, text := range shown {
			for _, canary := range []string{value, password, secret, wrong} {
				if at := strings.Index(text, canary); at >= 0 {
					t.Errorf("%s is shown: ...%.300s", canary, text[max(0, at-150):])
				}
			}
		}
		for _, want := range []string{"calls to marketo fail", "replication connection lost", "mapping stopped"} {
			if !strings.Contains(p.output.String(), want) {
				t.Errorf("%q was not logged: the test proves too little", want)
			}
		}
	})
}

// numbers is a mapping of rows that Marketo cannot hold.
const numbers = `
  - table: public.numbers
    object: Number
    key: {id: id}
    attributes: {n: n, pad: pad}
    on_delete: delete
`

// TestMetrics checks the metrics against Prometheus's conventions.
func TestMetrics(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "rest", 100, simulator.Options{})
	if err := w.sim.Fail(simulator.Rule{Operation: "sync", Times: 1, Status: 503}); err != nil {
		t.Fatal(err)
	}
	p := w.start()
	w.exec(`UPDATE items SET version = version + 1`)
	w.settle(p)
	status, body := w.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("status = %d", status)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
	for _, want := range []string{
		"\ncdcsync_up 1\n", "\ncdcsync_ready 1\n", "\ncdcsync_source_connected 1\n",
		"\n" + `cdcsync_rows_total{mapping="items",operation="update"} 100` + "\n",
		"\n" + `cdcsync_object_statuses_total{mapping="items",status="CREATED"} 100` + "\n",
		"\n" + `cdcsync_pending_objects{mapping="items"} 0` + "\n",
	} {
		if !strings.Contains(strings.ReplaceAll(body, `status="created"`, `status="CREATED"`), want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := w.get(path); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s = %d %q, want 200 ok", path, status, body)
		}
	}
	p.stop(t)
}

// TestStaticBinary checks that the program needs nothing of the machine it
// runs on.
func TestStaticBinary(t *testing.T) {
	needServer(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has static programs")
	}
	file, err := elf.Open(static)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a segment %s", p.Type)
		}
	}
}

// TestIdleDatabaseKeepsNoWAL writes WAL that concerns no mapping. The slot must
// follow it.
func TestIdleDatabaseKeepsNoWAL(t *testing.T) {
	needServer(t)
	t.Parallel()
	w := newItems(t, server, "soap", 10, simulator.Options{})
	w.exec(`CREATE TABLE unmapped (n int, pad text)`)
	if _, err := w.cluster.NewDatabase(t.Context(), w.database+"_other"); err != nil {
		t.Fatal(err)
	}
	const busy = `CREATE TABLE IF NOT EXISTS busy (n int, pad text); INSERT INTO busy SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i`
	p := w.start()
	writes := []struct {
		name string
		do   func()
	}{
		{"another database", func() {
			if err := w.cluster.Exec(t.Context(), w.database+"_other", busy); err != nil {
				t.Fatal(err)
			}
		}},
		{"a table that is not mapped", func() {
			w.exec(`INSERT INTO unmapped SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i`)
		}},
		{"a transaction that is rolled back", func() {
			w.exec(`BEGIN`)
			w.exec(`INSERT INTO items SELECT i, 1, repeat('x', 500) FROM generate_series(100, 20000) i`)
			w.exec(`ROLLBACK`)
		}},
	}
	for _, write := range writes {
		before := w.confirmed()
		write.do()
		w.settle(p)
		if moved := w.confirmed() - before; moved < 5<<20 {
			t.Errorf("%s: the slot moved by %d bytes only", write.name, moved)
		}
	}
	if n := len(w.sim.Calls()); n > 1 {
		t.Errorf("%d calls were made", n)
	}
	p.stop(t)
}
