package checkpoint_test

import (
	"reflect"
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func TestRecordFindsEveryFlippedBit(t *testing.T) {
	entries := []checkpoint.Settled{{Key: "a\x00b", Through: position(1<<40, 7)}, {Key: ""}}
	record := checkpoint.SettledRecord(entries)
	got, _, _ := checkpoint.Records(record)
	if !reflect.DeepEqual(got, entries) {
		t.Fatalf("round trip: got %v, want %v", got, entries)
	}
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		if _, _, err := checkpoint.Records(record); err == nil {
			t.Errorf("bit %d flipped: got no error", bit)
		}
		record[bit/8] ^= 1 << (bit % 8)
	}
	for n := range record {
		if got, _, err := checkpoint.Records(record[:n]); err == nil || len(got) > 0 {
			t.Errorf("cut to %d bytes: got %v, %v, want an error", n, got, err)
		}
	}
}

// FuzzRecord reads arbitrary fields behind a good checksum: no panic, and no
// more memory than the bytes could hold.
func FuzzRecord(f *testing.F) {
	f.Add(checkpoint.SettledRecord([]checkpoint.Settled{{Key: "key", Through: position(9, 9)}})[4:])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		settled, keys, _ := checkpoint.Records(checkpoint.Seal(b))
		size := 0
		for _, e := range settled {
			size += len(e.Key)
		}
		if size > len(b) || len(settled) > len(b) || len(keys) > len(b) {
			t.Errorf("%d entries, %d keys, %d bytes of keys from %d bytes", len(settled), len(keys), size, len(b))
		}
		checkpoint.Records(b)
	})
}
