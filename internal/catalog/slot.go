package catalog

import (
	"encoding/json"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Slot is a replication slot as pg_replication_slots shows it. Columns that the
// server's version does not have are left zero.
type Slot struct {
	Name string `json:"slot_name"`
	// Plugin is empty for a physical slot, whose Type is physical.
	Plugin   string `json:"plugin"`
	Type     string `json:"slot_type"`
	Database string `json:"database"`
	// TwoPhase slots send messages that the stream's reader does not understand.
	TwoPhase  bool `json:"two_phase"`
	Temporary bool `json:"temporary"`
	Active    bool `json:"active"`
	// ActivePID is the session that uses the slot; 0 when none does.
	ActivePID int `json:"active_pid"`
	// Confirmed is the position up to which the server forgot changes; zero for
	// NULL, as long as the slot is being created. After a crash it may be lower
	// than what was confirmed.
	Confirmed pgoutput.LSN `json:"-"`
	// Restart is the oldest WAL the slot keeps; zero for NULL, as that of a slot
	// that was lost, and for a moment that of one that is being created.
	Restart pgoutput.LSN `json:"-"`
	// WALStatus is reserved, extended, unreserved or lost.
	WALStatus string `json:"wal_status"`
	// Invalidation is why the slot was lost; "" when it was not, and before
	// PostgreSQL 17.
	Invalidation string `json:"invalidation_reason"`
	// SafeBytes is how much WAL can still be written before the slot may be
	// lost; nil when there is no limit, and when the slot is lost.
	SafeBytes *int64 `json:"safe_wal_size"`
	// RetainedBytes is how much WAL the slot keeps on the server.
	RetainedBytes int64 `json:"retained"`
	// Failover is set when standbys keep a copy (PostgreSQL 17 and later).
	Failover bool `json:"failover"`
	// Synced is set on such a copy, which cannot be read while its server is a
	// standby. It stays set after a promotion and means nothing then.
	Synced bool `json:"synced"`
}

// UnmarshalJSON reads a row of pg_replication_slots.
func (s *Slot) UnmarshalJSON(data []byte) error {
	type plain Slot
	row := struct {
		*plain
		Confirmed *string `json:"confirmed_flush_lsn"`
		Restart   *string `json:"restart_lsn"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(data, &row); err != nil {
		return err
	}
	for text, position := range map[*string]*pgoutput.LSN{row.Confirmed: &s.Confirmed, row.Restart: &s.Restart} {
		if text == nil {
			continue
		}
		lsn, err := pgoutput.ParseLSN(*text)
		if err != nil {
			return err
		}
		*position = lsn
	}
	return nil
}

// Flaw is why a slot cannot be streamed, whatever its position.
type Flaw uint8

const (
	NoFlaw Flaw = iota
	// OtherPlugin: it is physical, or of another plugin than pgoutput.
	OtherPlugin
	// OtherDatabase: it is of another database than the session.
	OtherDatabase
	// TwoPhase: it sends transactions before they are committed.
	TwoPhase
	// Temporary: it goes with a session of somebody else.
	Temporary
	// Lost: the server has invalidated it, and changes are gone.
	Lost
)

// Flaw returns the first that s has for a session of database. A slot that
// somebody uses, or that is being created, has none: that passes.
func (s *Slot) Flaw(database string) Flaw {
	switch {
	case s.Plugin != "pgoutput":
		return OtherPlugin
	case s.Database != database:
		return OtherDatabase
	case s.TwoPhase:
		return TwoPhase
	case s.Temporary:
		return Temporary
	case s.WALStatus == "lost" || s.Invalidation != "" || s.Restart == 0 && s.Confirmed != 0:
		return Lost
	}
	return NoFlaw
}

// CreatedNow reports whether the slot has no position yet: whoever creates it
// waits for transactions that were open before.
func (s *Slot) CreatedNow() bool { return s.Confirmed == 0 }
