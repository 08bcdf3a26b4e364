package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newPartitioned is a world whose table thing has the partitions thing_1 (n
// below 10) and thing_2, each with a row that Marketo has.
func newPartitioned(t *testing.T, api string) (*world, *process) {
	t.Helper()
	w := newHistory(t, api)
	w.exec(`DROP TABLE thing`)
	w.exec(`CREATE TABLE thing (code text, n int, name text, PRIMARY KEY (code, n)) PARTITION BY RANGE (n)`)
	w.exec(`CREATE TABLE thing_1 PARTITION OF thing FOR VALUES FROM (0) TO (10)`)
	w.exec(`CREATE TABLE thing_2 PARTITION OF thing FOR VALUES FROM (10) TO (20)`)
	p := w.start()
	w.exec(`INSERT INTO thing VALUES ('a', 1, 'one'), ('b', 11, 'two')`)
	w.settle(p)
	p.stop(t)
	p = w.start() // which sees that the partitions have rows
	w.exec(`INSERT INTO thing VALUES ('c', 2, 'three')`)
	w.settle(p)
	return w, p
}

// TestPartitionsThatChangeAsAWhole empties, drops, detaches and attaches
// partitions: no row event tells. Where rows that go without a word are to halt
// delivery, that does, within half a minute while the program runs, and at the
// next start.
func TestPartitionsThatChangeAsAWhole(t *testing.T) {
	needServer(t)
	t.Parallel()
	tests := []struct{ name, change, want string }{
		{"truncated", `TRUNCATE thing_1`, "public.thing_1 of table public.thing was truncated"},
		{"dropped", `DROP TABLE thing_1`, "public.thing_1 of table public.thing was detached or dropped"},
		{"detached", `ALTER TABLE thing DETACH PARTITION thing_1`, "public.thing_1 of table public.thing was detached or dropped"},
		{"attached with rows", `CREATE TABLE thing_3 (code text, n int, name text, PRIMARY KEY (code, n)); INSERT INTO thing_3 VALUES ('d', 21, 'four'); SELECT pg_sleep(1.1); ALTER TABLE thing ATTACH PARTITION thing_3 FOR VALUES FROM (20) TO (30)`,
			"public.thing_3 was attached to table public.thing"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, p := newPartitioned(t, apis[i%2])
			running := i == 0 || *long // it takes half a minute
			if !running {
				p.stop(t)
			}
			for sql := range strings.SplitSeq(tt.change, "; ") {
				w.exec(sql)
			}
			if running {
				w.halts(time.Minute, tt.want)
				p.stop(t)
			}
			if code, said := w.check(); code != 3 || !strings.Contains(said, tt.want) {
				t.Errorf("check ends with %d: %s", code, said)
			}
			p = w.launch()
			if got := p.exit(t, time.Minute); got != 3 || !strings.Contains(p.output.String(), tt.want) {
				t.Errorf("exit code = %d, want 3 with its reason", got)
			}
			w.config.mappings += "    on_truncate: ignore\n"
			p = w.start()
			if !strings.Contains(p.output.String(), tt.want) {
				t.Error("no warning with on_truncate: ignore")
			}
			p.stop(t)
		})
	}
	t.Run("made", func(t *testing.T) {
		t.Parallel()
		w, p := newPartitioned(t, "rest")
		p.stop(t)
		w.exec(`CREATE TABLE thing_3 PARTITION OF thing FOR VALUES FROM (20) TO (30)`)
		w.exec(`INSERT INTO thing VALUES ('d', 21, 'four')`)
		w.exec(`VACUUM FULL thing_1`)
		p = w.start()
		w.settle(p)
		w.wantThing("d", "n=21 name=four")
		p.stop(t)
	})
}

// TestPartitionedTableIsTruncated goes on over a TRUNCATE of a partitioned table
// as the texts say. The stream tells of it, and so do the partitions: the start
// that names the second names the first once more.
func TestPartitionedTableIsTruncated(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w, p := newPartitioned(t, api)
		w.exec(`TRUNCATE thing`)
		w.exec(`INSERT INTO thing VALUES ('d', 12, 'four')`)
		reason := ""
		await(t, time.Minute, func() (bool, string) {
			_, reason = w.get("/readyz")
			return strings.Contains(reason, "--accept-gap"), "ready behind a truncate"
		})
		gap := named(t, reason)
		p.stop(t)
		p = w.launchAccepting(gap)
		want := "cdcsync run -c " + w.dir + "/cdcsync.yaml --accept-table 'public.thing' --accept-gap " + gap + "\n"
		if got := p.exit(t, time.Minute); got != 3 || !strings.Contains(p.output.String(), want) {
			t.Fatalf("exit code = %d, want 3 and %q in\n%s", got, want, p.output.String())
		}
		p = launch(t, program, "run", "-c", w.configure(), "--accept-table", "public.thing", "--accept-gap", gap)
		w.awaitReady(p)
		w.settle(p)
		w.wantThing("d", "n=12 name=four")
		p.stop(t)
	})
}

// TestValuesThatAlterTableChanges warns of a column whose type was changed: the
// values that came of it are not in the stream.
func TestValuesThatAlterTableChanges(t *testing.T) {
	needServer(t)
	t.Parallel()
	t.Run("running", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "soap")
		p := w.start()
		w.exec(`INSERT INTO thing VALUES ('a', 1, 'one')`)
		w.exec(`ALTER TABLE thing ALTER COLUMN n TYPE bigint USING n * 100`)
		w.exec(`INSERT INTO thing VALUES ('b', 2, 'two')`)
		p.awaitLog(t, "column has another type")
		w.settle(p)
		w.wantThing("b", "n=2 name=two")
		p.stop(t)
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "rest")
		w.start().stop(t)
		w.exec(`ALTER TABLE thing ALTER COLUMN n TYPE bigint USING n * 100`)
		const want = `column "n" of table public.thing has type bigint now`
		if code, said := w.check(); code != 0 || !strings.Contains(said, want) {
			t.Errorf("check ends with %d: %s", code, said)
		}
		p := w.start()
		if _, status := w.get("/api/v1/status"); !strings.Contains(status, "has type bigint now") {
			t.Errorf("the status does not tell: %s", status)
		}
		p.stop(t)
	})
	t.Run("of a type", func(t *testing.T) {
		t.Parallel()
		w := newHistory(t, "rest")
		w.exec(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN moods AS mood[]; CREATE TYPE pair AS (x int, y int)`)
		w.exec(`ALTER TABLE thing ALTER name TYPE moods USING NULL, ALTER memo TYPE pair USING NULL`)
		w.start().stop(t)
		w.exec(`ALTER TYPE mood ADD VALUE 'blue'`)
		const want = `values of column "%s" of table public.thing have other texts now`
		if _, said := w.check(); strings.Contains(said, "other texts") {
			t.Errorf("a new value of an enum is told to change others: %s", said)
		}
		w.exec(`ALTER TYPE mood RENAME VALUE 'sad' TO 'down'`)
		w.exec(`ALTER TYPE pair ADD ATTRIBUTE z int`)
		code, said := w.check()
		if code != 0 {
			t.Errorf("check ends with %d", code)
		}
		p := w.start()
		_, status := w.get("/api/v1/status")
		for _, column := range []string{"name", "memo"} {
			if text := fmt.Sprintf(want, column); !strings.Contains(said, text) || !strings.Contains(strings.ReplaceAll(status, `\"`, `"`), text) {
				t.Errorf("check or status do not say %q: %s\n%s", text, said, status)
			}
		}
		p.stop(t)
	})
}
