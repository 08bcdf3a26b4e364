package acceptance_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/snapshot"
)

// status returns what the API says.
func (w *world) status() (s snapshot.Status) {
	w.t.Helper()
	_, body := w.get("/api/v1/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		w.t.Fatalf("status: %v in %s", err, body)
	}
	return s
}

// awaitState waits, no longer than a daemon may call itself ready while a
// change is stuck, until readiness, the API and the metrics all tell the state.
func (w *world) awaitState(state string) {
	w.t.Helper()
	line := regexp.MustCompile("(?m)^" + state + ": .+$")
	await(w.t, time.Minute, func() (bool, string) {
		status, body := w.get("/readyz")
		return status == http.StatusServiceUnavailable && line.MatchString(body), strconv.Itoa(status) + " " + body + ", want " + state
	})
	s := w.status()
	if s.Ready || !slices.ContainsFunc(s.Obstacles, func(o snapshot.Obstacle) bool { return o.State == state && o.Reason != "" && o.Advice != "" }) {
		w.t.Errorf("the API does not tell %s: %+v", state, s)
	}
	if _, body := w.get("/metrics"); !strings.Contains(body, `cdcsync_state{state="`+state+`"} 1`) || !strings.Contains(body, "\ncdcsync_ready 0\n") {
		w.t.Errorf("the metrics do not tell %s", state)
	}
}

// fail has the simulator answer every sync so.
func (w *world) fail(rule simulator.Rule) {
	w.t.Helper()
	rule.Operation = "sync"
	if err := w.sim.Fail(rule); err != nil {
		w.t.Fatal(err)
	}
}

// TestNoErrorLeavesTheDaemonReady injects one kind of error of the pipeline
// after the other while a change is under way: within a minute the daemon is not
// ready and says why, and when the error is gone it is ready, and the change
// delivered. A full disk is in TestStateDiskIsFull, a table that leaves the
// publication in TestTableLeavesThePublication; what takes a minute to be called
// an error is in TestASlotThatStandsIsNotReadyAfterAMinute of the machine.
func TestNoErrorLeavesTheDaemonReady(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, nil)
		w := newItems(t, c, api, 20, simulator.Options{})
		w.config.timeout, w.config.hold = 2*time.Second, 4*time.Second
		w.config.mappings = items + "    on_truncate: halt\n"
		p := w.start()
		change := func() { w.exec(`UPDATE items SET version = version + 1`) }
		code := func(soap, rest string) string {
			if api == "soap" {
				return soap
			}
			return rest
		}
		steps := []struct {
			name, state string
			inject, fix func()
		}{
			{"marketo is down", "marketo_failing", func() {
				w.fail(simulator.Rule{Status: 503})
				change()
			}, w.sim.Heal},
			{"marketo answers nothing", "marketo_failing", func() {
				w.fail(simulator.Rule{Hang: simulator.HangForever, Apply: simulator.ApplyNever})
				change()
			}, func() { w.sim.Heal(); w.sim.Release() }},
			{"the credentials are wrong", "marketo_failing", func() {
				w.fail(simulator.Rule{Code: code("20014", "601")})
				change()
			}, w.sim.Heal},
			{"the server is down", "disconnected", func() {
				if err := c.Stop(t.Context(), cluster.Fast); err != nil {
					t.Fatal(err)
				}
			}, func() {
				if err := c.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.disconnect()
				w.conn = nil
			}},
			{"another one has the slot", "disconnected", nil, nil},
		}
		var thief *pgconn.PgConn
		steps[4].inject = func() { thief = w.steal() }
		steps[4].fix = func() { _ = thief.Close(t.Context()) }
		for _, s := range steps {
			began := time.Now()
			s.inject()
			w.awaitState(s.state)
			told := time.Since(began)
			s.fix()
			w.awaitReady(p)
			change()
			w.settle(p)
			t.Logf("%s: %s after %s, fixed after %s", s.name, s.state, told.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
		}

		// A kill with a call on its way: newer values of its keys wait.
		sent := w.status().Report.Calls.Sent
		w.fail(simulator.Rule{Hang: simulator.HangForever, Apply: simulator.ApplyNever})
		change()
		await(t, time.Minute, func() (bool, string) {
			return w.status().Report.Calls.Sent > sent, "no call under way"
		})
		p.kill()
		w.sim.Heal()
		w.sim.Release()
		p = w.launch()
		w.awaitState("holding")
		if n := strings.Count(p.output.String(), "calls of the last run may still be executing"); n != 1 {
			t.Errorf("the log tells of the hold %d times, want once", n)
		}
		w.awaitReady(p)
		w.settle(p)

		// All that holds is told, the worst first.
		want, rule := "marketo_failing", simulator.Rule{Status: 503}
		if api == "rest" {
			want, rule = "quota_used", simulator.Rule{Code: "607"}
		}
		w.fail(rule)
		change()
		w.awaitState(want)
		w.exec(`TRUNCATE items`)
		w.awaitState("halted")
		if got := w.status(); got.State != "halted" || len(got.Obstacles) < 2 || got.Obstacles[1].State != want {
			t.Errorf("told is %s, %+v, want halted before %s", got.State, got.Obstacles, want)
		}
		p.kill()
	})
}

// steal ends the session that serves the slot and streams from it, as another
// reader would.
func (w *world) steal() *pgconn.PgConn {
	w.t.Helper()
	config, err := pgconn.ParseConfig(w.cluster.URL(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	await(w.t, time.Minute, func() (bool, string) {
		w.exec(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '` + w.config.slot + `' AND active_pid IS NOT NULL`)
		err := pglogrepl.StartReplication(w.t.Context(), conn, w.config.slot, 0, pglogrepl.StartReplicationOptions{
			PluginArgs: []string{"proto_version '1'", "publication_names '" + w.config.publication + "'"},
		})
		return err == nil, "steal the slot: " + errorText(err)
	})
	return conn
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestStatusOfAStop asks a daemon that ends how it is.
func TestStatusOfAStop(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{})
		p := w.start()
		w.fail(simulator.Rule{Hang: simulator.HangForever})
		w.exec(`UPDATE items SET version = version + 1`)
		await(t, time.Minute, func() (bool, string) { return w.status().Report.Calls.InFlight > 0, "no call under way" })
		p.signal(t, syscall.SIGTERM)
		w.awaitState("stopping")
		w.sim.Heal()
		w.sim.Release()
		if code := p.exit(t, time.Minute); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
}

// TestTrueLag keeps reading back by the limit of calls: the lag is the one that
// the server knows of, not what has been read.
func TestTrueLag(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 20, simulator.Options{})
		w.config.limits, w.config.maxPending = "{calls_per_20s: 1, concurrent_calls: 1, calls_per_day: 0}", 500
		p := w.start()
		w.exec(`INSERT INTO items SELECT i, 0, repeat('x', 500) FROM generate_series(1000, 30000) i`)
		for range 20 {
			w.exec(`UPDATE items SET version = version + 1 WHERE id BETWEEN 1000 AND 2000`)
		}
		lag := func() int64 {
			n, err := strconv.ParseInt(w.value(`SELECT pg_current_wal_flush_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1`, w.config.slot), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		await(t, time.Minute, func() (bool, string) {
			s := w.status().Report.Source
			return lag() > 4<<20 && int64(s.Lag) > lag()*9/10, "the lag is " + strconv.FormatInt(lag(), 10) + ", told is " + strconv.FormatUint(s.Lag, 10)
		})
		s := w.status().Report.Source
		if s.Retained < int64(s.Lag)*9/10 || s.Safe != nil {
			t.Errorf("retained %d with a lag of %d, safe %v", s.Retained, s.Lag, s.Safe)
		}
		_, body := w.get("/metrics")
		value := func(name string) float64 {
			m := regexp.MustCompile(`(?m)^cdcsync_` + name + ` (\S+)$`).FindStringSubmatch(body)
			if m == nil {
				t.Fatalf("no metric %s", name)
			}
			v, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if value("source_server_lsn") < value("source_received_lsn") || value("source_lag_bytes") < 4<<20 {
			t.Errorf("server %v, received %v, lag %v", value("source_server_lsn"), value("source_received_lsn"), value("source_lag_bytes"))
		}
		p.kill()
	})
}

// TestAnIdleServerLeavesNothingToDo: WAL that others write, and a segment that
// is switched, do not make a lag that stays.
func TestAnIdleServerLeavesNothingToDo(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		c := ownServer(t, nil)
		w := newItems(t, c, api, 20, simulator.Options{})
		p := w.start()
		for _, sql := range []string{`SELECT pg_switch_wal()`, `CHECKPOINT`, `CREATE TABLE foreign_one AS SELECT generate_series(1, 1000)`} {
			w.exec(sql)
			end := w.lsn("SELECT pg_current_wal_flush_lsn()")
			await(t, time.Minute, func() (bool, string) {
				s := w.status()
				server, err := pgoutput.ParseLSN(s.Report.Source.Server)
				return err == nil && server >= end && s.State == "current" && s.Report.Source.Lag < 1000, sql + ": " + s.State + ", lag " + strconv.FormatUint(s.Report.Source.Lag, 10)
			})
		}
		p.stop(t)
	})
}
