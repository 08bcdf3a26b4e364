package sqlite_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
)

// Keys that share bytes, or have too many of them in common, come back as they
// were.
func TestRecordPacks(t *testing.T) {
	long := strings.Repeat("long", 80)
	keys := []string{"visits\x00100\x00", "visits\x00101\x00", "visits\x00101\x00", "visits\x0010", "leads\x00x", long, long + "1", "\xff", "z"}
	got, err := sqlite.Keys(sqlite.KeysRecord(keys))
	if err != nil || !slices.Equal(got, keys) {
		t.Errorf("keys: got %q, %v, want %q", got, err, keys)
	}
	var entries []checkpoint.Settled
	for i, key := range keys {
		entries = append(entries, checkpoint.Settled{Key: key, Through: position(uint64(1000-100*i), uint64(i))})
	}
	entries[3].Through.Commit = 1<<63 + 1
	record := sqlite.SettledRecord(entries)
	if settled, _, _ := sqlite.Records(record); !slices.Equal(settled, entries) {
		t.Errorf("settled: got %v, want %v", settled, entries)
	}
}

// What store version 1 has written is read as it was meant.
func TestRecordPlain(t *testing.T) {
	keys := []string{"visits\x00100\x00", "visits\x00101\x00"}
	if got, err := sqlite.Keys(sqlite.PlainKeysRecord(keys)); err != nil || !slices.Equal(got, keys) {
		t.Errorf("keys: got %q, %v, want %q", got, err, keys)
	}
	if got, err := sqlite.Keys(sqlite.PlainKeysRecord(nil)); err != nil || len(got) > 0 {
		t.Errorf("no keys: got %q, %v", got, err)
	}
	if got, err := sqlite.Keys(sqlite.KeysRecord(nil)); err != nil || len(got) > 0 {
		t.Errorf("no keys, packed: got %q, %v", got, err)
	}
	plain := sqlite.PlainSettledRecord(keys[0], position(1<<40, 7))
	settled, _, _ := sqlite.Records(plain)
	if want := []checkpoint.Settled{{Key: keys[0], Through: position(1<<40, 7)}}; !slices.Equal(settled, want) {
		t.Errorf("settled: got %v, want %v", settled, want)
	}
}

func TestRecordFindsEveryFlippedBit(t *testing.T) {
	entries := []checkpoint.Settled{{Key: "a\x00b", Through: position(1<<40, 7)}, {Key: ""}}
	record := sqlite.SettledRecord(entries)
	got, _, _ := sqlite.Records(record)
	if !reflect.DeepEqual(got, entries) {
		t.Fatalf("round trip: got %v, want %v", got, entries)
	}
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		if _, _, err := sqlite.Records(record); err == nil {
			t.Errorf("bit %d flipped: got no error", bit)
		}
		record[bit/8] ^= 1 << (bit % 8)
	}
	for n := range record {
		if got, _, err := sqlite.Records(record[:n]); err == nil || len(got) > 0 {
			t.Errorf("cut to %d bytes: got %v, %v, want an error", n, got, err)
		}
	}
}

// FuzzRecord reads arbitrary fields behind a good checksum: no panic, and no
// more memory than the bytes could hold.
func FuzzRecord(f *testing.F) {
	f.Add(sqlite.SettledRecord([]checkpoint.Settled{{Key: "key", Through: position(9, 9)}})[4:])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		settled, keys, _ := sqlite.Records(sqlite.Seal(b))
		size := 0
		for _, e := range settled {
			size += len(e.Key)
		}
		if size > 256*len(b) || len(settled) > len(b) || len(keys) > len(b) {
			t.Errorf("%d entries, %d keys, %d bytes of keys from %d bytes", len(settled), len(keys), size, len(b))
		}
		sqlite.Records(b)
		if to, err := sqlite.ReadSettledTo(sqlite.Seal(b)); err == nil && len(to.Except)+len(to.Rules) > len(b) {
			t.Errorf("%d keys and %d rules from %d bytes", len(to.Except), len(to.Rules), len(b))
		}
	})
}
