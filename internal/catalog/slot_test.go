package catalog

import (
	"encoding/json"
	"testing"
)

func TestFlawsOfSlots(t *testing.T) {
	good := Slot{Name: "s", Plugin: "pgoutput", Type: "logical", Database: "d", Confirmed: 8, Restart: 4, WALStatus: "reserved"}
	for want, edits := range map[Flaw][]func(*Slot){
		NoFlaw: {func(*Slot) {}, func(s *Slot) { s.Active = true }, func(s *Slot) { s.Confirmed, s.Restart = 0, 0 },
			func(s *Slot) { s.WALStatus = "unreserved" }},
		OtherPlugin:   {func(s *Slot) { s.Plugin = "test_decoding" }, func(s *Slot) { s.Plugin, s.Type, s.Database = "", "physical", "" }},
		OtherDatabase: {func(s *Slot) { s.Database = "e" }, func(s *Slot) { s.Database, s.TwoPhase = "e", true }},
		TwoPhase:      {func(s *Slot) { s.TwoPhase = true }},
		Temporary:     {func(s *Slot) { s.Temporary = true }, func(s *Slot) { s.Temporary, s.Restart = true, 0 }},
		Lost:          {func(s *Slot) { s.Restart = 0 }, func(s *Slot) { s.WALStatus = "lost" }, func(s *Slot) { s.Invalidation = "idle_timeout" }},
	} {
		for i, edit := range edits {
			s := good
			edit(&s)
			if got := s.Flaw("d"); got != want {
				t.Errorf("%d of flaw %d: got %d", i, want, got)
			}
		}
	}
}

func TestSlotIsReadFromItsRow(t *testing.T) {
	for row, want := range map[string]Slot{
		`{"slot_name":"s","confirmed_flush_lsn":"0/10","restart_lsn":"1/8"}`: {Name: "s", Confirmed: 0x10, Restart: 1<<32 + 8},
		`{"slot_name":"s","confirmed_flush_lsn":null,"restart_lsn":null}`:    {Name: "s"},
		`{"slot_name":"s","active_pid":null,"two_phase":true}`:               {Name: "s", TwoPhase: true},
	} {
		var s Slot
		if err := json.Unmarshal([]byte(row), &s); err != nil || s != want {
			t.Errorf("%s: got %+v, %v", row, s, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"restart_lsn":"x"}`), new(Slot)); err == nil {
		t.Error("a position that is none is taken")
	}
}
