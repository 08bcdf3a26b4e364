package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// office is a daemon that only has a status and parked objects.
type office struct {
	status snapshot.Status
	parked []checkpoint.Parked
	// backfills are what it lists, asked the last that was done about them.
	backfills []admin.Backfill
	asked     admin.BackfillAsk
	// keys are those of the last action, problems what it answers.
	keys      []string
	discarded bool
	problems  []string
	address   string
}

func (o *office) each(_ context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error {
	for _, p := range o.parked {
		if (filter.Mapping == "" || p.Mapping == filter.Mapping) && (filter.Key == "" || p.Key == filter.Key) {
			visit(p)
		}
	}
	return nil
}

func (o *office) act(_ context.Context, keys []string, discard bool) (admin.Acted, error) {
	o.keys, o.discarded = append(o.keys, keys...), discard
	return admin.Acted{Done: len(keys) - len(o.problems), Problems: o.problems}, nil
}

// open serves it and writes a configuration that has its address, and is not
// good for anything else here.
func (o *office) open(t *testing.T) (file string) {
	t.Helper()
	web := httptest.NewServer(admin.New(admin.Options{
		Metrics: prometheus.NewRegistry(), Alive: func(context.Context) error { return nil },
		Ready:  func(context.Context) (bool, string) { return true, "" },
		Status: func(context.Context) snapshot.Status { return o.status }, EachParked: o.each, Act: o.act,
		Backfills: func(_ context.Context, ask admin.BackfillAsk) (admin.Backfills, error) {
			if ask.Action != admin.BackfillList {
				o.asked = ask
			}
			return admin.Backfills{Backfills: o.backfills}, nil
		},
	}))
	t.Cleanup(web.Close)
	o.address = strings.TrimPrefix(web.URL, "http://")
	file = filepath.Join(t.TempDir(), "cdcsync.yaml")
	text := fmt.Sprintf("source: {url: '${NOT_SET_HERE}'}\nhttp: {listen: '%s'}\n", o.address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// command runs the program and returns what it printed, its error and its exit
// code.
func command(t *testing.T, args ...string) (output, mistake string, code int) {
	t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetIn(strings.NewReader(""))
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	if err != nil {
		mistake = err.Error()
	}
	return out.String(), mistake, exitCode(err)
}

// noon is when the entries of tests were parked, by the clock here.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

func parked(mapping, code, id string, minutes int) checkpoint.Parked {
	at := noon.Add(time.Duration(minutes) * time.Minute)
	return checkpoint.Parked{
		Mapping: mapping, Object: "Thing", Key: mapping + "\x00" + id + "\x00", Fields: `{"id":` + id + `}`, Operation: "UPSERT",
		Payload: `{"id":` + id + `,"city":"Town \u001b[31mred"}`, At: pgoutput.Position{Commit: 0x1234}, Committed: at.Add(-time.Second),
		Code: code, Message: "Marketo's words\nand a \x1b[31mcolour", Attempts: 2, First: at, Last: at.Add(time.Hour),
	}
}

func busy() *office {
	waiting := parked("visits", "1004", "43", 1)
	waiting.Waits, waiting.Next = true, noon.Add(4*time.Hour)
	return &office{parked: []checkpoint.Parked{
		parked("visits", "1003", "42", 0), waiting, parked("visits", "1003", "44", 2), parked("orders", "", "42", 3),
	}}
}

func TestNobodyAnswers(t *testing.T) {
	for _, args := range [][]string{
		{"status"}, {"status", "--json"}, {"status", "--watch", "--json"},
		{"parked", "list"}, {"parked", "show", "id=1"}, {"parked", "retry", "--all"}, {"parked", "discard", "--all"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			_, mistake, code := command(t, append(args, "--address", "127.0.0.1:1")...)
			if code != 1 || !strings.Contains(mistake, "127.0.0.1:1") || !strings.Contains(mistake, "cdcsync run") {
				t.Errorf("got exit code %d, %q, want 1 and what to do", code, mistake)
			}
		})
	}
}

func TestWrongUsageOfCommandsThatAsk(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.yaml")
	for _, args := range [][]string{
		{"status", "-c", none},
		{"status", "--address", "here"},
		{"status", "more"},
		{"trace", "visits"},
		{"wait"},
		{"wait", "--now", "--lsn", "0/1"},
		{"wait", "--lsn", "here"},
		{"wait", "--lsn", "0/0"},
		{"wait", "--now", "--timeline", "1"},
		{"wait", "--lsn", "0/1", "--timeline", "-1"},
		{"wait", "--now", "--timeout", "-1s"},
		{"parked", "nonsense"},
		{"parked", "list", "more"},
		{"parked", "list", "--limit", "-1"},
		{"parked", "list", "--nonsense"},
		{"parked", "show"},
		{"parked", "show", "id=1", "id=2"},
		{"parked", "retry"},
		{"parked", "retry", ""},
		{"parked", "retry", "--all", "--mapping", "visits"},
		{"parked", "discard", "--all", "id=1"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			_, mistake, code := command(t, args...)
			if code != 2 || mistake == "" {
				t.Errorf("got exit code %d, %q, want 2 and why", code, mistake)
			}
		})
	}
}

func TestSpans(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"}, {0, "0s"}, {850 * time.Millisecond, "850ms"}, {1234 * time.Millisecond, "1.2s"},
		{12 * time.Second, "12s"}, {200 * time.Second, "3m 20s"}, {310 * time.Minute, "5h 10m"}, {51 * time.Hour, "2d 3h"},
	}
	for _, tt := range tests {
		if got := span(tt.d); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := amount(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
