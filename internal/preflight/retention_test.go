package preflight

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/replication"
)

func TestRetention(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name       string
		most, keep int64
		slot       *catalog.Slot
		want       []string
	}{
		{"no bound of ours", 0, -1, nil, []string{"ok 0: nobody says"}},
		{"none of the server's", 64 * mib, -1, nil, []string{"ok 64 MiB: beyond it cdcsync is not ready; PostgreSQL goes on"}},
		{"ours is the smaller one", 64 * mib, 65 * mib, nil, []string{"ok 64 MiB: beyond it cdcsync is not ready; beyond 65 MiB"}},
		{"the server's is as small", 64 * mib, 64 * mib, nil, []string{"warn delivery.max_retained_wal (64 MiB) is not below max_slot_wal_keep_size (64 MiB)"}},
		{"the server keeps none", 1, 0, nil, []string{"warn delivery.max_retained_wal (1 bytes) is not below"}},
		{"the slot keeps more", 64 * mib, -1, &catalog.Slot{Name: "s", RetainedBytes: 64*mib + 1}, []string{"ok 64 MiB", "warn slot s makes PostgreSQL keep 64 MiB of WAL, more than"}},
		{"the slot keeps as much", 64 * mib, -1, &catalog.Slot{Name: "s", RetainedBytes: 64 * mib}, []string{"ok 64 MiB"}},
		{"the slot keeps much, and may", 0, -1, &catalog.Slot{Name: "s", RetainedBytes: 1 << 40}, []string{"ok 0"}},
	}
	for _, tt := range tests {
		found := Retention(replication.Server{SlotKeep: tt.keep, Slot: tt.slot}, tt.most)
		if len(found) != len(tt.want) {
			t.Errorf("%s: %d findings, want %d: %v", tt.name, len(found), len(tt.want), found)
			continue
		}
		for i, f := range found {
			if got := f.Level.String() + " " + f.Detail; !strings.HasPrefix(got, tt.want[i]) || f.Level == Warn && f.Remedy == (Remedy{}) {
				t.Errorf("%s: %s (%s), want %s", tt.name, got, f.Remedy, tt.want[i])
			}
		}
	}
}
