package acceptance_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var (
	ddlSeed  = flag.Uint64("ddl.seed", 0, "the first seed of the random tests of structure")
	ddlSeeds = flag.Int("ddl.seeds", number(os.Getenv("CDCSYNC_DDL_SEEDS")), "how many seeds they take; zero means a handful; also CDCSYNC_DDL_SEEDS")
	ddlSteps = flag.Int("ddl.steps", 60, "how many steps they take for a seed")
)

// number reads a number; 0 when it is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// TestRandomDDL changes the structure of a mapped table while its rows change,
// in the same transactions and around kills, as a seed says. Nothing of it
// takes a value away, so that the program must deliver all, and be ready.
func TestRandomDDL(t *testing.T) { eachAlteration(t, 4, false) }

// TestRandomBreakingDDL also does what a mapping may not survive, one kind of
// it for each seed: the program delivers all, or stops for a reason that is
// true.
func TestRandomBreakingDDL(t *testing.T) { eachAlteration(t, 7, true) }

func eachAlteration(t *testing.T, usual int, breaks bool) {
	needServer(t)
	t.Parallel()
	if *ddlSeeds > 0 {
		usual = *ddlSeeds
	}
	for i := range usual {
		seed := *ddlSeed + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newAlteration(t, seed, breaks).run()
		})
	}
}

// alteration is one seed's table and what is known of it.
type alteration struct {
	*world
	seed   uint64
	breaks bool
	// version is the server's major version.
	version int
	rng     *rand.Rand
	p       *process
	shape
	// names counts all names that were given, so that none comes twice.
	names int
	said  []string
	// broken are words of which a halt may use one: it is true when what they
	// say was done.
	broken []string
}

// shape is what a rollback takes back.
type shape struct {
	next                  int // the next key
	extra, checks, others []string
	// computed are names that generated columns have, or had.
	computed []string
	identity string
	pkey     string
}

// stock is the mapping of the table. Every second seed has rows that it
// leaves out.
const stock = `
  - table: public.stock
    object: Stock
    key: {id: id}
    attributes: {n: n, name: name, memo: memo}
    on_delete: delete
`

func newAlteration(t *testing.T, seed uint64, breaks bool) *alteration {
	t.Helper()
	w := newWorld(t, server, apis[seed%2], simulator.Options{Dedupe: map[string][]string{"Stock": {"id"}}})
	w.config.timeout, w.config.hold = 2*time.Second, 2500*time.Millisecond
	w.config.mappings = stock
	if seed%4 > 1 {
		w.config.mappings += "    where: 'n != 3'\n"
	}
	w.exec(`CREATE TABLE stock (id int PRIMARY KEY, n int, name text, memo text)`)
	w.exec(`ALTER TABLE stock ALTER memo SET STORAGE EXTERNAL`)
	return &alteration{world: w, seed: seed, breaks: breaks, version: w.version(), rng: rand.New(rand.NewPCG(seed, 0)), shape: shape{next: 1, identity: "DEFAULT", pkey: "stock_pkey"}}
}

func (a *alteration) run() {
	t := a.t
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(a.said, "\n"))
		}
	})
	a.p = a.start()
	for range *ddlSteps {
		a.step()
	}
	if a.halted() {
		return
	}
	a.settle(a.p)
	a.awaitReady(a.p)
	a.p.stop(t)
	a.agree()
}

// step is a transaction, a statement that cannot be in one, a kill or a pause.
func (a *alteration) step() {
	switch a.rng.IntN(20) {
	case 0:
		a.say("-- kill")
		a.p.kill()
		if a.rng.IntN(2) == 0 {
			a.transaction() // while nothing runs
		}
		a.p = a.launch()
	case 1:
		a.do(a.pick("VACUUM FULL stock", "CLUSTER stock USING "+a.pkey, "ANALYZE stock", "VACUUM stock"))
	case 2, 3:
		pause := time.Duration(a.rng.IntN(150)) * time.Millisecond
		a.say("-- wait " + pause.String())
		time.Sleep(pause)
	default:
		a.transaction()
	}
}

// transaction makes some changes together; one in ten is rolled back.
func (a *alteration) transaction() {
	before := a.shape
	before.extra, before.checks, before.others = clone(a.extra), clone(a.checks), clone(a.others)
	a.do("BEGIN")
	for range 1 + a.rng.IntN(4) {
		if a.rng.IntN(3) == 0 {
			a.do(a.define())
		} else {
			a.do(a.change())
		}
	}
	if a.rng.IntN(10) == 0 {
		before.next = a.next
		a.shape = before
		a.do("ROLLBACK")
		return
	}
	a.do("COMMIT")
}

// clone keeps a list from being changed in place.
func clone(list []string) []string { return append([]string(nil), list...) }

func (a *alteration) do(sql string) {
	a.say(sql + ";")
	a.exec(sql)
}

func (a *alteration) say(what string) { a.said = append(a.said, what) }

func (a *alteration) pick(choices ...string) string { return choices[a.rng.IntN(len(choices))] }

// change is a statement that changes rows.
func (a *alteration) change() string {
	some := fmt.Sprintf("id %% %d = %d", 2+a.rng.IntN(6), a.rng.IntN(3))
	switch a.rng.IntN(6) {
	case 0, 1:
		from := a.next
		a.next += 1 + a.rng.IntN(12)
		memo := a.pick("NULL", "'short'", "repeat(md5(i::text), 300)", "repeat(md5(i::text), 300)")
		return fmt.Sprintf("INSERT INTO stock (id, n, name, memo) SELECT i, i %% 5, 'name ' || i, %s FROM generate_series(%d, %d) i", memo, from, a.next-1)
	case 2:
		return fmt.Sprintf("UPDATE stock SET n = %d WHERE %s", a.rng.IntN(6), some)
	case 3:
		return fmt.Sprintf("UPDATE stock SET name = %s WHERE %s", a.pick("upper(name)", "left(name, 3)", "NULL", "'x' || id"), some)
	case 4:
		return fmt.Sprintf("UPDATE stock SET memo = %s WHERE %s", a.pick("md5(id::text)", "repeat(md5((id + 1)::text), 300)", "NULL"), some)
	}
	if a.rng.IntN(2) == 0 {
		return fmt.Sprintf("DELETE FROM stock WHERE id %% 9 = %d", a.rng.IntN(9))
	}
	from := a.next
	a.next += a.next // free for all keys there are
	return fmt.Sprintf("UPDATE stock SET id = id + %d WHERE %s", from, some)
}

// halted reports whether the program has stopped for a reason that is true.
func (a *alteration) halted() bool {
	a.t.Helper()
	if len(a.broken) == 0 {
		return false
	}
	want := a.lsn("SELECT pg_current_wal_lsn()")
	reason := ""
	await(a.t, time.Minute, func() (bool, string) {
		if a.p.ended() {
			reason = a.p.output.String()
			return true, ""
		}
		if a.confirmed() >= want {
			return true, ""
		}
		status, body := a.get("/readyz")
		for _, word := range a.broken {
			if status == 503 && strings.Contains(strings.ToLower(body), word) {
				reason = body
			}
		}
		return reason != "", "neither settled nor stopped for one of " + strings.Join(a.broken, ", ") + ": " + body
	})
	if reason == "" {
		return false
	}
	for _, word := range a.broken {
		if strings.Contains(strings.ToLower(reason), word) {
			a.t.Logf("stopped: %.300s", strings.TrimSpace(reason[max(0, len(reason)-300):]))
			return true
		}
	}
	a.t.Errorf("it stopped for another reason than %v", a.broken)
	return true
}
