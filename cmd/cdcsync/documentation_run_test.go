package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// The tables and the configuration that pages speak of, where they do not make
// their own.
const (
	documentedTables = `
CREATE TABLE roadshow_visits (id int PRIMARY KEY, lead_id int, city text, state text, is_vip boolean);
INSERT INTO roadshow_visits VALUES (17, 7, 'Berlin', 'BE', true), (42, 8, 'Fresno', 'CA', false);
CREATE TABLE users (id int PRIMARY KEY, email text);
INSERT INTO users VALUES (7, 'ada@example.com'), (8, 'grace@example.com');
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric(10,2));
INSERT INTO orders VALUES (1, 7, 12.50), (2, 8, 20.00);
`
	documentedConfiguration = `source: {url: "${DATABASE_URL}", slot: SLOT, publication: cdcsync}
marketo:
  rest: {endpoint: "${MARKETO_ENDPOINT}", client_id: "${MARKETO_CLIENT_ID}", client_secret: "${MARKETO_CLIENT_SECRET}"}
state: sqlite:cdcsync.db
delivery: {max_wait: 100ms}
http: {listen: "127.0.0.1:PORT"}
mappings:
  - name: roadshow
    table: public.roadshow_visits
    object: RoadShow
    key: {rid: id}
    attributes: {MKTOID: lead_id, city: city, state: state}
    on_delete: delete
  - table: public.orders
    object: Order
    key: {id: id}
    attributes:
      total: total
      email: {lookup: {table: public.users, column: email, match: {id: user_id}}}
`
)

// world is what the blocks of one page are run in.
type world struct {
	page      string
	pg        *cluster.Cluster
	database  string
	dir       string
	env       []string
	port, sim string
	groups    []int
	simulator *simulator.Simulator
}

// Every command, statement and configuration of the documentation is run, in the
// order of its page, against a PostgreSQL server and the simulator.
func TestDocumentationRuns(t *testing.T) {
	for _, tool := range []string{"bash", "psql", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on this machine", tool)
		}
	}
	pg := clustertest.Start(t, cluster.Options{})
	var ran, whole atomic.Int32
	for _, name := range pages(t) {
		all := blocks(t, name, page(t, name))
		if len(all) == 0 {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".md"), func(t *testing.T) {
			t.Parallel()
			w := newPageWorld(t, pg, name)
			if needsDaemon(all) {
				w.shell(t, &block{page: name, language: "sh", text: "cdcsync run\ncdcsync wait --now --timeout 20s\n", exits: "0"})
			}
			for i := range all {
				if w.take(t, &all[i]) {
					ran.Add(1)
				}
			}
			whole.Add(1)
			if name == "docs/recipes.md" {
				w.recipes(t)
			}
		})
	}
	t.Cleanup(func() {
		if n := ran.Load(); n < 2*whole.Load() && whole.Load() > 10 {
			t.Errorf("only %d blocks were run", n)
		}
	})
}

// take runs a block, and reports whether it did.
func (w *world) take(t *testing.T, b *block) bool {
	t.Helper()
	if b.notRun != "" || b.language == "text" {
		return false
	}
	switch b.language {
	case "yaml":
		w.configuration(t, b)
	case "sql":
		w.shell(t, &block{page: b.page, line: b.line, language: "sh", exits: b.exits,
			text: "psql -Xqv ON_ERROR_STOP=1 '" + w.pg.URL(w.database) + "' <<'END OF SQL'\n" + b.text + "END OF SQL\n"})
	default:
		w.shell(t, b)
	}
	return true
}

func newPageWorld(t *testing.T, pg *cluster.Cluster, of string) *world {
	t.Helper()
	name := strings.NewReplacer("-", "_", ".md", "").Replace(strings.ToLower(filepath.Base(of)))
	w := &world{page: of, pg: pg, database: "docs_" + name, dir: t.TempDir(), port: unusedPort(t), sim: unusedPort(t)}
	if err := pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+w.database); err != nil {
		t.Fatal(err)
	}
	text := page(t, of)
	if !strings.Contains(text, "CREATE TABLE") {
		if err := pg.Exec(t.Context(), w.database, documentedTables); err != nil {
			t.Fatal(err)
		}
	}
	dedupe := map[string][]string{"RoadShow": {"rid"}, "Order": {"id"}, "roadshow_visits_c": {"id"}, "users_c": {"id"}, "orders_c": {"id"}}
	for _, m := range regexp.MustCompile(`(?m)^  object: (\w+)\n  key: \{(.*)\}`).FindAllStringSubmatch(text, -1) {
		for _, rule := range strings.Split(m[2], ", ") {
			field, _, _ := strings.Cut(rule, ":")
			dedupe[m[1]] = append(dedupe[m[1]], field)
		}
	}
	w.simulator = simulator.New(simulator.Options{Dedupe: dedupe})
	server := httptest.NewServer(w.simulator)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "PATH=") {
			w.env = append(w.env, v)
		}
	}
	w.env = append(w.env, "DATABASE_URL="+pg.URL(w.database), "PATH="+filepath.Join(w.dir, "bin")+":"+os.Getenv("PATH"), "NO_COLOR=1")
	if !strings.Contains(text, "export MARKETO_ENDPOINT") {
		w.env = append(w.env, "MARKETO_ENDPOINT="+server.URL, "MARKETO_CLIENT_ID="+simulator.DefaultClientID, "MARKETO_CLIENT_SECRET="+simulator.DefaultClientSecret)
	}
	if !strings.Contains(text, "cdcsync init") {
		w.lay(t, "cdcsync.yaml", strings.NewReplacer("SLOT", w.database, "PORT", w.port).Replace(documentedConfiguration))
	}
	w.lay(t, "config.example.yaml", strings.Replace(page(t, "config.example.yaml"), "127.0.0.1:9640", "127.0.0.1:"+w.port, 1))
	w.tools(t)
	t.Cleanup(func() {
		w.end(t)
		w.simulator.Close()
		server.Close()
	})
	return w
}

// lay writes a file into the directory of the page.
func (w *world) lay(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o600)
	if strings.HasPrefix(name, "bin/") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// tools puts cdcsync on the PATH, with ports of the test's own in place of the
// usual ones, and a make that only looks whether there is such a target.
func (w *world) tools(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.lay(t, "bin/cdcsync", `#!/bin/bash
set -e
export `+asProgram+`=1 GORACE=atexit_sleep_ms=20
case "$1" in
simulate) set -- "$@" --listen 127.0.0.1:`+w.sim+` ;;
init) set -- "$@" --slot `+w.database+` ;;
esac
if [ "$1" != init ]; then exec `+self+` "$@"; fi
`+self+` "$@"
while [ $# -gt 0 ]; do
	if [ "$1" = -o ]; then printf 'http: {listen: "127.0.0.1:`+w.port+`"}\ndelivery: {max_wait: 100ms}\n' >>"$2"; fi
	shift
done
`)
	makefile, err := filepath.Abs(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Log("sqlite3 is not on this machine: its commands are passed over")
		w.lay(t, "bin/sqlite3", "#!/bin/bash\n")
	}
	w.lay(t, "bin/make", "#!/bin/bash\nexec grep -q \"^$1:\" "+makefile+"\n")
}

// shell runs the commands of a block. What one exports, the next has.
func (w *world) shell(t *testing.T, b *block) {
	t.Helper()
	const kept = ". ./.environment 2>/dev/null || true\ntrap 'export -p >.environment' EXIT\n"
	script := strings.NewReplacer("127.0.0.1:9640", "127.0.0.1:"+w.port, "127.0.0.1:9650", "127.0.0.1:"+w.sim,
		"postgres://cdcsync:change-me@127.0.0.1:5432/shop", w.pg.URL(w.database)).Replace(b.script())
	out, err := os.CreateTemp(w.dir, "output")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", kept+script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	err = cmd.Run()
	w.groups = append(w.groups, cmd.Process.Pid)
	if took := time.Since(began); took > 2*time.Second {
		t.Logf("%s:%d took %v", b.page, b.line, took.Round(10*time.Millisecond))
	}
	if code := fmt.Sprint(cmd.ProcessState.ExitCode()); code != b.exits {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s:%d exits with %s (%v):\n%s\n--- it printed:\n%s", b.page, b.line, code, err, b.text, text)
	}
	if regexp.MustCompile(`(?m)cdcsync run\b.*&$`).MatchString(script) {
		w.awaitReady(t, out.Name())
	}
	if regexp.MustCompile(`(?m)cdcsync simulate\b.*&$`).MatchString(script) {
		clustertest.Eventually(t, "the simulator", func() bool { return replies("http://127.0.0.1:" + w.sim + "/_simulator/stats") })
	}
}

func (w *world) awaitReady(t *testing.T, log string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !replies("http://127.0.0.1:" + w.port + "/readyz"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(log)
			t.Fatalf("%s: the daemon does not get ready:\n%s", w.page, text)
		}
	}
}

func replies(url string) bool {
	reply, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = reply.Body.Close()
	return reply.StatusCode == http.StatusOK
}

// configuration reads a block as the program does: a whole configuration, some
// keys of one, a list of mappings, or the types of a simulator.
func (w *world) configuration(t *testing.T, b *block) {
	t.Helper()
	text := b.text
	if strings.HasPrefix(strings.TrimSpace(text), "- ") {
		text = "mappings:\n" + text
		w.lay(t, fmt.Sprintf("mappings/%d.yaml", b.line), text)
	}
	if strings.HasPrefix(text, "objects:") {
		if _, err := simulator.ParseTypes([]byte(text)); err != nil {
			t.Errorf("%s:%d: %v", b.page, b.line, err)
		}
		return
	}
	var given, rest map[string]yaml.Node
	if err := yaml.Unmarshal([]byte(text), &given); err != nil {
		t.Errorf("%s:%d: %v", b.page, b.line, err)
		return
	}
	if err := yaml.Unmarshal([]byte(documentedConfiguration), &rest); err != nil {
		t.Fatal(err)
	}
	for key := range given {
		delete(rest, key)
	}
	_, whole := given["source"]
	if !whole {
		left, err := yaml.Marshal(rest)
		if err != nil {
			t.Fatal(err)
		}
		text += string(left)
	}
	file := filepath.Join(w.dir, fmt.Sprintf("block-%d.yaml", b.line))
	for _, secret := range []string{"database-url", "marketo-client-id", "marketo-client-secret"} {
		w.lay(t, "secrets/"+secret, "postgres://cdcsync@127.0.0.1/shop")
	}
	text = strings.NewReplacer("SLOT", "docs", "PORT", "0", "/run/secrets/", filepath.Join(w.dir, "secrets")+"/").Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(file, w.lookup)
	if err != nil {
		t.Errorf("%s:%d: %v", b.page, b.line, err)
		return
	}
	if len(conf.Warnings) > 0 {
		t.Errorf("%s:%d: warnings: %v", b.page, b.line, conf.Warnings)
	}
}

// recipes has all mappings of the page at work: the values are those that the page
// speaks of, no row is refused, and each mapping can be asked about, however many
// there are of a table.
func (w *world) recipes(t *testing.T) {
	t.Helper()
	text, _, _ := strings.Cut(documentedConfiguration, "mappings:")
	w.lay(t, "cdcsync.yaml", strings.NewReplacer("SLOT", w.database, "PORT", w.port).Replace(text)+"mapping_files: [mappings/*.yaml]\n")
	w.shell(t, &block{page: w.page, language: "sh", exits: "0", text: "cdcsync preview --offline --json >preview.json\ncdcsync check\ncdcsync run\n"})
	w.shell(t, &block{page: w.page, language: "sh", exits: "0", text: `cdcsync backfill start --all
for i in {1..300}; do
	if ! cdcsync backfill list | grep -q 'running\|waiting'; then break; fi
	sleep 0.1
done
cdcsync backfill list | tee backfills
if grep -q failed backfills; then exit 1; fi
cdcsync trace orders-paid 1
cdcsync audit
`})
	got, err := os.ReadFile(filepath.Join(w.dir, "preview.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ada@example.com", "Ada Lovelace", "Hopper", "Gold", "none", "London", "maths; engines", "2026-03-02", "2026-03-01T09:15:00+01:00", "Kiel"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in what becomes of the rows:\n%s", want, got)
		}
	}
	for object, want := range map[string]int{"order_c": 3, "keptOrder_c": 2, "paidOrder_c": 2, "customer_c": 2, "tier_c": 2, "profile_c": 2, "orderDay_c": 3, "visit_c": 1, "opening_c": 1} {
		if n := len(w.simulator.Objects(object)); n != want {
			t.Errorf("%d objects %s, want %d", n, object, want)
		}
	}
}

// lookup is the environment of a page, with whatever secrets it may name.
func (w *world) lookup(name string) (string, bool) {
	for i := len(w.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(w.env[i], name+"="); ok {
			return value, true
		}
	}
	return "secret", strings.HasPrefix(name, "MARKETO_")
}

// end stops what the page has started, and gives the slots back.
func (w *world) end(t *testing.T) {
	t.Helper()
	for _, group := range w.groups {
		_ = syscall.Kill(-group, syscall.SIGTERM)
	}
	// The simulator may be gone before the daemon that wants to tell it something.
	end := time.Now().Add(3 * time.Second)
	for _, group := range w.groups {
		for syscall.Kill(-group, 0) == nil {
			if time.Now().After(end) {
				_ = syscall.Kill(-group, syscall.SIGKILL)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	const drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND database = current_database()"
	if err := w.pg.Exec(context.WithoutCancel(t.Context()), w.database, drop); err != nil {
		t.Error(err)
	}
}

func unusedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
