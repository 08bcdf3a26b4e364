package sqlite_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

func callsRecord(t testing.TB, calls []checkpoint.Call) []byte {
	t.Helper()
	record, err := sqlite.CallsRecord(calls)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestCallsRecord(t *testing.T) {
	long := strings.Repeat("long", 80)
	calls := []checkpoint.Call{
		{ID: 1<<40 | 1, Keys: []string{"visits\x00100\x00", "visits\x00101\x00", "", long, long + "1", "\xff"}},
		{ID: 1<<40 | 2},
		{ID: 2<<40 | 1, Keys: []string{"visits\x00101\x00"}},
	}
	record := callsRecord(t, calls)
	if got, err := sqlite.Calls(record); err != nil || !reflect.DeepEqual(got, calls) {
		t.Errorf("calls: got %v, %v, want %v", got, err, calls)
	}
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		if _, err := sqlite.Calls(record); err == nil {
			t.Errorf("bit %d flipped: got no error", bit)
		}
		record[bit/8] ^= 1 << (bit % 8)
	}
	for n := 1; n < len(record); n++ {
		if got, err := sqlite.Calls(record[:n]); err == nil || len(got) > 0 {
			t.Errorf("cut to %d bytes: got %v, %v, want an error", n, got, err)
		}
	}
	if got, err := sqlite.Calls(callsRecord(t, nil)); err != nil || got != nil {
		t.Errorf("no calls: got %v, %v", got, err)
	}
}

// A Save that fails leaves the calls in flight as they were, in memory too.
func TestCallsAfterAFailedSave(t *testing.T) {
	s, path := identified(t)
	first := checkpoint.Call{ID: 1, Keys: []string{"a"}}
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{first}})
	execSQL(t, path, `UPDATE state SET position = position + 100`)
	next := checkpoint.Save{Checkpoint: home.LSN + 1, Started: []checkpoint.Call{{ID: 2, Keys: []string{"b"}}}, Ended: []uint64{1}}
	wantError(t, s.Save(t.Context(), next), "on disk is ahead")
	execSQL(t, path, `UPDATE state SET position = position - 100`)
	wantError(t, s.Save(t.Context(), checkpoint.Save{Started: []checkpoint.Call{first}}), "save call", "in flight already")
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 3}}})
	want := []checkpoint.Call{{ID: 1<<40 | 1, Keys: []string{"a"}}, {ID: 1<<40 | 3}}
	if got := load(t, s).InFlight; !reflect.DeepEqual(got, want) {
		t.Errorf("calls: got %v, want %v", got, want)
	}
	save(t, s, next)
	want = []checkpoint.Call{{ID: 1<<40 | 2, Keys: []string{"b"}}, {ID: 1<<40 | 3}}
	if got := load(t, s).InFlight; !reflect.DeepEqual(got, want) {
		t.Errorf("calls: got %v, want %v", got, want)
	}
}

// A save at full speed writes the one page of its row, and a few when calls
// hold many keys: SQLite writes in place what keeps its size.
func TestSaveWritesFewPages(t *testing.T) {
	const page = 8192 + 24 // and what the log has with each
	for _, tt := range []struct{ keys, most int }{{0, 1}, {100, 1}, {1000, 3}} {
		s, path := identified(t)
		key := 100_000
		call := func(n int) checkpoint.Call {
			keys := make([]string, tt.keys*(6+n%4)/9)
			for k := range keys {
				key++
				keys[k] = fmt.Sprintf("visits\x00%d\x00", key)
			}
			return checkpoint.Call{ID: uint64(n), Keys: keys}
		}
		var size int
		for n := 1; n <= 40; n++ {
			if n == 21 {
				size = len(readFile(t, path+"-wal"))
			}
			sv := checkpoint.Save{
				Checkpoint: home.LSN + checkpoint.LSN(n), Started: []checkpoint.Call{call(n)},
				Quota: &checkpoint.Quota{Day: "2025-11-23", Calls: n}, Sent: position(uint64(home.LSN)+uint64(n), uint64(n)<<(n%20)),
			}
			if n > 5 {
				sv.Ended = []uint64{uint64(n - 5)}
			}
			save(t, s, sv)
		}
		if got := float64(len(readFile(t, path+"-wal"))-size) / page / 20; got > float64(tt.most) {
			t.Errorf("5 calls of up to %d keys: got %.2f pages a save, want at most %d", tt.keys, got, tt.most)
		}
	}
}

// FuzzCalls reads arbitrary bytes behind a good checksum: no panic, and no more
// memory than the bytes could hold.
func FuzzCalls(f *testing.F) {
	f.Add(callsRecord(f, []checkpoint.Call{{ID: 1, Keys: []string{"a", "ab"}}, {ID: 2}})[4:])
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		calls, _ := sqlite.Calls(sqlite.Seal(b))
		size := 0
		for _, call := range calls {
			for _, key := range call.Keys {
				size += 1 + len(key)
			}
		}
		if size > 256*len(b) || len(calls) > len(b) {
			t.Errorf("%d calls, %d bytes of keys from %d bytes", len(calls), size, len(b))
		}
		_, _ = sqlite.Calls(b)
	})
}
