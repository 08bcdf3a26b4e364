package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/demo"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/version"
)

// written is what the demo has said so far.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

var metricsAt, marketoAt = regexp.MustCompile(`http://(\S+)/metrics`), regexp.MustCompile(`simulated at (\S+),`)

// playing runs the demo until the test ends, and returns where its metrics and
// its Marketo are.
func playing(t *testing.T) (metrics, instance string) {
	t.Helper()
	if _, err := cluster.Find(); err != nil {
		t.Skip(err)
	}
	enough, ended := make(chan struct{}), make(chan error, 1)
	var out written
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- demo.Run(ctx, enough, demo.Options{API: demo.REST, Rate: 200, Seed: 1, Latency: 20 * time.Millisecond, Version: version.Read("v1.2.3"), Out: &out})
	}()
	t.Cleanup(func() {
		close(enough)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		cancel()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out.mu.Lock()
		text := out.text.String()
		out.mu.Unlock()
		if m, s := metricsAt.FindStringSubmatch(text), marketoAt.FindStringSubmatch(text); m != nil && s != nil {
			return m[1], s[1]
		}
	}
	t.Fatal("the demo does not start")
	return "", ""
}

// expression is a query of the dashboard or of an alert.
type expression struct {
	from, query string
	// shown is set where it has to have data while all is well.
	shown bool
}

// expressions reads the queries of the dashboard, as Grafana would ask them, and
// those of the alerts.
func expressions(t *testing.T) []expression {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	data, err := os.ReadFile("grafana/dashboard.json")
	if err == nil {
		err = json.Unmarshal(data, &board)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []expression
	asked := strings.NewReplacer("$instance", ".*", "$__rate_interval", "4s")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, asked.Replace(target.Expr), true})
		}
	}
	for _, a := range board.Annotations.List {
		all = append(all, expression{"annotation " + a.Name, asked.Replace(a.Expr), false})
	}
	for _, a := range alerts(t) {
		all = append(all, expression{"alert " + a.Alert, a.Expr, false})
	}
	return all
}

// selector is a metric in a query, with what it asks of labels.
var selector = regexp.MustCompile(`\b((?:cdcsync|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)

// matcher is what is asked of one label.
var matcher = regexp.MustCompile(`(\w+)\s*=\s*"([^"]*)"`)

// sometimes are metrics that are there in some states only: see docs/metrics.md.
var sometimes = []string{"cdcsync_source_drop_seconds", "up"}

// lacks says which metrics and labels of a query are not in the text of
// /metrics. Labels that Prometheus adds do not count, nor faults that have not
// been.
func lacks(query, metrics string) (lacking []string) {
	for _, s := range selector.FindAllStringSubmatch(query, -1) {
		if slices.Contains(sometimes, s[1]) {
			continue
		}
		line := `(?m)^` + s[1]
		found := regexp.MustCompile(line+`[ {].*`).FindAllString(metrics, -1)
		if found == nil {
			lacking = append(lacking, s[1])
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			label := m[1] + `="` + m[2] + `"`
			switch {
			case m[1] == "job":
			case m[1] == "class":
				if !isClass(m[2]) {
					lacking = append(lacking, s[1]+"{"+label+"}")
				}
			case !slices.ContainsFunc(found, func(l string) bool { return strings.Contains(l, label) }):
				lacking = append(lacking, s[1]+"{"+label+"}")
			}
		}
	}
	return lacking
}

func isClass(name string) bool {
	for c := marketo.FaultUnknown; c <= marketo.FaultTooLarge; c++ {
		if c.String() == name {
			return true
		}
	}
	return false
}

// What dashboard and alerts ask for is there, and every panel shows something
// while the demo runs. The metrics are as promtool wants them.
func TestDashboardShowsTheDemo(t *testing.T) {
	address, instance := playing(t)
	refuseSomeCalls(t, instance)
	prometheus := scraping(t, address)
	all := expressions(t)
	if len(all) < 50 {
		t.Fatalf("%d expressions", len(all))
	}
	missing := map[string]string{}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		clear(missing)
		metrics := fetch(t, "http://"+address+"/metrics")
		for _, e := range all {
			if l := lacks(e.query, metrics); l != nil {
				missing[e.from+": "+e.query] = "not in /metrics: " + strings.Join(l, ", ")
			} else if prometheus != "" {
				if why := prometheusLacks(t, prometheus, e); why != "" {
					missing[e.from+": "+e.query] = why
				}
			}
		}
		if len(missing) == 0 || time.Now().After(end) {
			break
		}
	}
	for query, why := range missing {
		t.Errorf("%s: %s", query, why)
	}
	promtool(t, []byte(fetch(t, "http://"+address+"/metrics")), "check", "metrics")
}

// refuseSomeCalls has the demo's Marketo fail for a moment.
func refuseSomeCalls(t *testing.T, instance string) {
	t.Helper()
	reply, err := http.Post(instance+"/_simulator/faults", "application/json", strings.NewReader(`{"status": 503, "times": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode/100 != 2 {
		t.Fatalf("faults: %s", reply.Status)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	reply, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scraping runs a Prometheus that scrapes the address, and returns its own; ""
// where there is no Prometheus on the machine.
func scraping(t *testing.T, address string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Log("prometheus is not here: queries are looked at by name only")
		return ""
	}
	dir := t.TempDir()
	rules, err := filepath.Abs("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("global: {scrape_interval: 500ms, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n  - job_name: cdcsync\n    static_configs: [{targets: [%q]}]\n", rules, address)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := listener.Addr().String()
	listener.Close()
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+own)
	var log written
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if reply, err := http.Get("http://" + own + "/-/ready"); err == nil {
			reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return own
			}
		}
	}
	t.Fatalf("prometheus does not get ready:\n%s", log.text.String())
	return ""
}

// prometheusLacks asks a query, and says what is wrong with the answer.
func prometheusLacks(t *testing.T, prometheus string, e expression) string {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(fetch(t, "http://"+prometheus+"/api/v1/query?query="+url.QueryEscape(e.query))), &answer); err != nil {
		t.Fatal(err)
	}
	switch {
	case answer.Status != "success":
		return answer.Error
	case e.shown && len(answer.Data.Result) == 0:
		return "no data"
	}
	return ""
}

func TestLacks(t *testing.T) {
	const metrics = "cdcsync_up 1\ncdcsync_state{state=\"halted\"} 0\nprocess_open_fds 9\n"
	for query, want := range map[string]string{
		`cdcsync_up == 0 and process_open_fds{job="cdcsync"} > 1`: "",
		`cdcsync_state{instance=~".*", state="halted"}`:           "",
		`sum(cdcsync_ups)`:                                              "cdcsync_ups",
		`cdcsync_state{state="haltd"} == 1`:                             `cdcsync_state{state="haltd"}`,
		`rate(process_open_fd[5m]) + cdcsync_u`:                         "process_open_fd cdcsync_u",
		`changes(cdcsync_up[5m]) or cdcsync_source_drop_seconds < 4000`: "",
	} {
		if got := strings.Join(lacks(query, metrics), " "); got != want {
			t.Errorf("lacks(%s) = %q, want %q", query, got, want)
		}
	}
}
