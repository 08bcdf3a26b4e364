package delivery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func copyOf(sv *checkpoint.Save) checkpoint.Save {
	c := *sv
	c.Started, c.Ended = slices.Clone(c.Started), slices.Clone(c.Ended)
	c.Settled, c.Parked = slices.Clone(c.Settled), slices.Clone(c.Parked)
	c.Resolved, c.Lacking = slices.Clone(c.Resolved), slices.Clone(c.Lacking)
	return c
}

// spoken is a key as people write it.
func spoken(key string) string { return strings.Trim(key, "\x00") }

func spokenAll(keys []string) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = spoken(k)
	}
	return strings.Join(all, ",")
}

const lifeBits = 40

// numbered is the number of a call, with that of its life where it is of an
// earlier one.
func numbered(id uint64) string {
	if life := id >> lifeBits; life > 0 {
		return fmt.Sprintf("life%d:%d", life-1, id&(1<<lifeBits-1))
	}
	return fmt.Sprint(id)
}

// described says what is in a save.
func described(sv checkpoint.Save) string {
	line := ""
	if sv.Checkpoint != 0 {
		line += fmt.Sprintf(" checkpoint=%s", sv.Checkpoint)
	}
	for _, c := range sv.Started {
		line += fmt.Sprintf(" started=%d(%s)", c.ID, spokenAll(c.Keys))
	}
	for _, id := range sv.Ended {
		line += " ended=" + numbered(id)
	}
	for _, e := range sv.Settled {
		line += fmt.Sprintf(" settled=%s", spoken(e.Key))
	}
	for _, p := range sv.Parked {
		line += fmt.Sprintf(" parked=%s(%s)", spoken(p.Key), p.Code)
	}
	for _, k := range sv.Resolved {
		line += fmt.Sprintf(" resolved=%s", spoken(k))
	}
	for _, k := range sv.Lacking {
		line += fmt.Sprintf(" lacking=%s", spoken(k))
	}
	for _, c := range sv.Cursors {
		line += fmt.Sprintf(" cursor=%s", c.Value)
	}
	for _, c := range sv.Confirmed {
		line += fmt.Sprintf(" confirmed=%s", spoken(c.Key))
	}
	for _, k := range sv.Forgotten {
		line += fmt.Sprintf(" forgotten=%s", spoken(k))
	}
	for _, f := range sv.Refused {
		line += fmt.Sprintf(" refused=%s(%s)", spoken(f.Key), f.Code)
	}
	for _, f := range sv.Unrefused {
		line += fmt.Sprintf(" unrefused=%s", spoken(f.Key))
	}
	if sv.Sync {
		line += " synced"
	}
	if sv.Clean {
		line += " clean"
	}
	return line
}

// keep has the disk take a save.
func (s *story) keep(sv checkpoint.Save) {
	for _, k := range sv.Forgotten {
		delete(s.record, k)
	}
	for _, c := range sv.Confirmed {
		s.record[c.Key] = &c
	}
	if sv.Checkpoint != 0 {
		ck := *s.disk.Checkpoint
		ck.LSN = sv.Checkpoint
		s.disk.Checkpoint = &ck
	}
	s.disk.InFlight = slices.DeleteFunc(append(slices.Clone(s.disk.InFlight), sv.Started...), func(c checkpoint.Call) bool {
		return slices.Contains(sv.Ended, c.ID)
	})
	for _, e := range sv.Settled {
		s.disk.Settled = append(slices.DeleteFunc(slices.Clone(s.disk.Settled), func(old checkpoint.Settled) bool { return old.Key == e.Key }), e)
	}
	s.disk.Settled = slices.DeleteFunc(s.disk.Settled, func(e checkpoint.Settled) bool { return e.Through.Commit < s.disk.Checkpoint.LSN })
	for _, p := range sv.Parked {
		s.disk.Parked = append(slices.DeleteFunc(slices.Clone(s.disk.Parked), func(old checkpoint.Parked) bool { return old.Key == p.Key }), p)
	}
	gone := slices.Concat(sv.Resolved, sv.Lacking)
	s.disk.Parked = slices.DeleteFunc(slices.Clone(s.disk.Parked), func(p checkpoint.Parked) bool {
		return slices.Contains(gone, p.Key) && !slices.ContainsFunc(sv.Parked, func(n checkpoint.Parked) bool { return n.Key == p.Key })
	})
	s.disk.Lacking = slices.DeleteFunc(slices.Clone(s.disk.Lacking), func(k string) bool { return slices.Contains(sv.Resolved, k) })
	s.disk.Lacking = slices.DeleteFunc(append(s.disk.Lacking, sv.Lacking...), func(k string) bool {
		return slices.ContainsFunc(sv.Parked, func(p checkpoint.Parked) bool { return p.Key == k })
	})
	if sv.Quota != nil {
		s.disk.Quota = *sv.Quota
	}
	if s.disk.Sent.Compare(sv.Sent) < 0 {
		s.disk.Sent = sv.Sent
	}
	s.disk.Clean = sv.Clean
}
