package checkpointtest

import (
	"cmp"
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// T is what the suite uses of testing.T.
type T interface {
	Helper()
	Context() context.Context
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	FailNow()
}

// Store is what the program asks of a store, all of it together: each part asks
// for less.
type Store interface {
	Load(ctx context.Context) (checkpoint.State, error)
	Save(ctx context.Context, sv checkpoint.Save) error
	Saves(ctx context.Context) (uint64, error)
	Intend(ctx context.Context, c checkpoint.Checkpoint) error
	Identify(ctx context.Context, c checkpoint.Checkpoint) error
	Accept(ctx context.Context, c checkpoint.Checkpoint, a checkpoint.Accepted) error
	Count(ctx context.Context, q checkpoint.Quota) error
	SaveRelations(ctx context.Context, relations []checkpoint.Relation) error
	SaveMappings(ctx context.Context, mappings []checkpoint.KnownMapping) error

	Parked(ctx context.Context, filter checkpoint.Filter) ([]checkpoint.Parked, error)
	EachParked(ctx context.Context, filter checkpoint.Filter, visit func(checkpoint.Parked)) error
	CountParked(ctx context.Context) (map[string]int, error)
	Refused(ctx context.Context, filter checkpoint.RefusedFilter) ([]checkpoint.Refused, error)

	Backfills(ctx context.Context) ([]checkpoint.Backfill, error)
	AddBackfill(ctx context.Context, b checkpoint.Backfill) (int64, error)
	MoveBackfill(ctx context.Context, id int64, to checkpoint.BackfillState, at time.Time, why string) (checkpoint.Backfill, error)
	NoteProgress(ctx context.Context, id int64, p checkpoint.Progress) error

	Close() error
}

// World is the machine that one store is on, with its accidents. One life at a
// time uses the store.
type World interface {
	// Open begins a life; the one before was ended, in one of the ways below or
	// by Close.
	Open(t T) Store
	// Kill ends a life as SIGKILL does: the next one finds all that was written.
	Kill(t T)
	// CutPower ends it as a loss of power does: what was written and not synced
	// is there as far as rng says, in any order. The machine is booted anew.
	CutPower(t T, rng *rand.Rand)
	// StopAfter has the disk take n more writes or syncs in this life, and then
	// none.
	StopAfter(n int)
	// Fill has the disk take no writes while full is set.
	Fill(full bool)
	// FailSync has the next sync fail. What it should have made durable never is,
	// whatever later ones report, unless it is written anew.
	FailSync()
}

// Run holds the store that lives on a World against the contract. Each call of
// world makes a new one.
func Run(t *testing.T, world func(t T) World) {
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { part.test(t, world(t)) })
	}
}

var parts = []struct {
	name string
	test func(t T, w World)
}{
	{"a new store", testNew},
	{"every field", testEveryField},
	{"what a save leaves out", testLeftOut},
	{"what a save replaces", testReplaced},
	{"settled changes", testSettled},
	{"what stands for settled changes", testSettledTo},
	{"calls of several lives", testCalls},
	{"calls that come and go", testManyCalls},
	{"calls of a save that fails", testRefusedCalls},
	{"saves are counted", testSaves},
	{"the end of a life", testClean},
	{"the boot", testBoot},
	{"a life that only looks", testLook},
	{"the position", testPosition},
	{"the slot", testIdentity},
	{"following the server", testFollow},
	{"accepted gaps", testAccept},
	{"the latest transaction", testLatest},
	{"object types that lag", testLags},
	{"parked objects", testParked},
	{"refused rows", testRefused},
	{"refused rows of earlier backfills", testRefusedBefore},
	{"relations", testRelations},
	{"calls that are counted beside", testCount},
	{"mappings", testMappings},
	{"backfills", testBackfills},
	{"moves of backfills", testMoves},
	{"ends of backfills", testBackfillEnds},
	{"old backfills", testOldBackfills},
	{"backfills beside the saves", testBeside},
	{"saves that are cancelled", testCancelled},
	{"many at once", testAtOnce},
	{"limits", testLimits},
	{"a save is whole", testWhole},
	{"killed again and again", testKilled},
	{"loss of power", testPower},
	{"the first save of a life", testFirst},
	{"changes beside the saves are durable", testDurableBeside},
	{"a full disk", testFull},
	{"a sync that fails", testFailedSync},
}

// home is the slot that the stores of the suite belong to.
var home = checkpoint.Checkpoint{System: "7312345678901234567", Timeline: 3, Database: "shop", Slot: "cdcsync", LSN: 0x16B3748}

// moment is a time that needs all of its digits.
var moment = time.Date(2026, 3, 1, 12, 30, 45, 123456789, time.UTC)

// odd is a key with bytes that are no text, or mean something elsewhere.
const odd = "o\x00dd\xff\xfe'\";\n\u2691"

// identified opens a new store that belongs to home.
func identified(t T, w World) Store {
	t.Helper()
	s := w.Open(t)
	must(t, s.Identify(t.Context(), home))
	return s
}

// reopen ends a life by Close, and begins another.
func reopen(t T, w World, s Store) Store {
	t.Helper()
	must(t, s.Close())
	return w.Open(t)
}

func save(t T, s Store, sv checkpoint.Save) {
	t.Helper()
	if err := s.Save(t.Context(), sv); err != nil {
		t.Fatalf("save: %v", err)
	}
}

func load(t T, s Store) checkpoint.State {
	t.Helper()
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	slices.SortFunc(state.Settled, func(a, b checkpoint.Settled) int { return cmp.Compare(a.Key, b.Key) }) // in whatever order
	return state
}

func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same compares, and says what differs by its field.
func same(t T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() != reflect.Struct || g.Type() != w.Type() {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
	for i := range g.NumField() {
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %s is %+v, want %+v", what, g.Type().Field(i).Name, a, b)
		}
	}
	t.FailNow()
}

// refused checks that err is an error that mentions words.
func refused(t T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("got %q, want it to mention %q", err, word)
		}
	}
}

// position is a place above home.
func position(above, seq uint64) pgoutput.Position {
	return pgoutput.Position{Commit: home.LSN + pgoutput.LSN(above), Seq: seq}
}
