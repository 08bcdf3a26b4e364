package checkpointtest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// image is all that a Memory holds at one moment. What its maps and slices hold is
// never changed, only replaced.
type image struct {
	ck        *checkpoint.Checkpoint
	saves     int
	life      uint64
	boot      int
	clean     bool
	sent      pgoutput.Position
	latest    checkpoint.Commit
	lags      []checkpoint.Lag
	calls     []checkpoint.Call
	settled   map[string]pgoutput.Position
	settledTo *checkpoint.SettledTo
	parked    map[string]checkpoint.Parked
	lacking   map[string]bool
	quota     checkpoint.Quota
	deletions map[string]checkpoint.Deletions
	cursors   map[string]string
	refused   map[checkpoint.RefusedKey]checkpoint.Refused
	accepted  []checkpoint.Accepted
	relations []checkpoint.Relation
	mappings  []checkpoint.KnownMapping
	backfills []checkpoint.Backfill
	lastID    int64
}

func newImage() *image {
	return &image{clean: true, settled: map[string]pgoutput.Position{}, parked: map[string]checkpoint.Parked{}, lacking: map[string]bool{},
		deletions: map[string]checkpoint.Deletions{}, cursors: map[string]string{}, refused: map[checkpoint.RefusedKey]checkpoint.Refused{}}
}

func (m *image) clone() *image {
	c := *m
	c.calls, c.accepted, c.backfills = slices.Clone(m.calls), slices.Clone(m.accepted), slices.Clone(m.backfills)
	c.settled, c.parked, c.lacking = maps.Clone(m.settled), maps.Clone(m.parked), maps.Clone(m.lacking)
	c.deletions, c.cursors, c.refused = maps.Clone(m.deletions), maps.Clone(m.cursors), maps.Clone(m.refused)
	return &c
}

// save changes m as sv wants it.
func (m *image) save(sv *checkpoint.Save) error {
	for _, step := range []func(*checkpoint.Save) error{m.move, m.follow, m.call} {
		if err := step(sv); err != nil {
			return err
		}
	}
	m.settle(sv)
	m.park(sv)
	for _, d := range sv.Deletions {
		d.Minutes = maps.Clone(d.Minutes)
		m.deletions[d.Mapping] = d
	}
	for _, c := range sv.Cursors {
		if m.cursors[c.Feed] = c.Value; c.Value == "" {
			delete(m.cursors, c.Feed)
		}
	}
	for _, k := range sv.Unrefused {
		delete(m.refused, k)
	}
	for _, r := range sv.Refused {
		m.refused[checkpoint.RefusedKey{Feed: r.Feed, Key: r.Key}] = r
	}
	if sv.Quota != nil {
		m.count(*sv.Quota)
	}
	m.accepted = append(m.accepted, sv.Accepted...)
	if m.sent.Compare(sv.Sent) < 0 {
		m.sent = sv.Sent
	}
	if sv.Latest != nil {
		m.latest = *sv.Latest
	}
	if sv.Lags != nil {
		m.lags = slices.Clone(sv.Lags)
	}
	m.clean = sv.Clean
	return nil
}

func (m *image) count(q checkpoint.Quota) {
	q.Starts = slices.Clone(q.Starts)
	m.quota = q
}

func (m *image) move(sv *checkpoint.Save) error {
	switch {
	case sv.Checkpoint == 0:
		return nil
	case m.ck == nil || m.ck.LSN == 0:
		return errors.New("a position, but the slot was never identified")
	case sv.Checkpoint < m.ck.LSN:
		return fmt.Errorf("the position goes back from %s to %s", m.ck.LSN, sv.Checkpoint)
	case sv.Checkpoint > math.MaxInt64:
		return fmt.Errorf("position %s is not possible", sv.Checkpoint)
	}
	c := *m.ck
	c.LSN = sv.Checkpoint
	m.ck = &c
	return nil
}

func (m *image) follow(sv *checkpoint.Save) error {
	switch f := sv.Follow; {
	case f == nil:
		return nil
	case m.ck == nil || m.ck.LSN == 0:
		return errors.New("the slot was never identified")
	case f.Timeline < m.ck.Timeline:
		return errors.New("the timeline goes back")
	case f.Database == "":
		return errors.New("the database has no name")
	}
	c := *m.ck
	c.Timeline, c.Database = sv.Follow.Timeline, sv.Follow.Database
	m.ck = &c
	return nil
}

func (m *image) call(sv *checkpoint.Save) error {
	full := func(id uint64) uint64 {
		if id>>40 == 0 {
			id |= m.life << 40
		}
		return id
	}
	for _, c := range sv.Started {
		c.ID, c.Keys = full(c.ID), slices.Clone(c.Keys)
		if slices.ContainsFunc(m.calls, func(other checkpoint.Call) bool { return other.ID == c.ID }) {
			return fmt.Errorf("call %d is in flight already", c.ID)
		}
		m.calls = append(m.calls, c)
	}
	m.calls = slices.DeleteFunc(m.calls, func(c checkpoint.Call) bool {
		return sv.Clean || slices.ContainsFunc(sv.Ended, func(id uint64) bool { return full(id) == c.ID })
	})
	slices.SortFunc(m.calls, func(a, b checkpoint.Call) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (m *image) settle(sv *checkpoint.Save) {
	if to := sv.SettledTo; to != nil {
		m.settledTo = &checkpoint.SettledTo{Through: to.Through, Except: slices.Clone(to.Except), Rules: slices.Clone(to.Rules), Stopped: slices.Clone(to.Stopped)}
		clear(m.settled)
	}
	for _, e := range sv.Settled {
		if sv.SettledTo != nil && e.Through.Compare(sv.SettledTo.Through) <= 0 {
			continue
		}
		if old, ok := m.settled[e.Key]; !ok || old.Compare(e.Through) < 0 {
			m.settled[e.Key] = e.Through
		}
	}
	floor := m.floor()
	maps.DeleteFunc(m.settled, func(_ string, at pgoutput.Position) bool { return at.Commit < floor })
	if m.settledTo != nil && m.settledTo.Through.Commit < floor {
		m.settledTo = nil
	}
}

func (m *image) floor() checkpoint.LSN {
	if m.ck == nil {
		return 0
	}
	return m.ck.LSN
}

func (m *image) park(sv *checkpoint.Save) {
	for _, key := range sv.Resolved {
		delete(m.parked, key)
		delete(m.lacking, key)
	}
	for _, key := range sv.Lacking {
		delete(m.parked, key)
		m.lacking[key] = true
	}
	for _, p := range sv.Parked {
		m.parked[p.Key] = p
		delete(m.lacking, p.Key)
	}
}

// state is what is loaded of m in boot.
func (m *image) state(boot int) checkpoint.State {
	s := checkpoint.State{Clean: m.clean, SameBoot: m.saves == 0 || m.boot == boot, InFlight: slices.Clone(m.calls), Quota: m.quota, Sent: m.sent, Latest: m.latest, Lags: append([]checkpoint.Lag(nil), m.lags...),
		Parked: m.list(checkpoint.Filter{}), Lacking: sortedKeys(m.lacking), Accepted: slices.Clone(m.accepted),
		Relations: slices.Clone(m.relations), Mappings: slices.Clone(m.mappings)}
	s.Quota.Starts = slices.Clone(m.quota.Starts)
	if m.ck != nil {
		ck := *m.ck
		s.Checkpoint = &ck
	}
	if m.settledTo != nil {
		to := *m.settledTo
		s.SettledTo = &to
	}
	for _, key := range sortedKeys(m.settled) {
		s.Settled = append(s.Settled, checkpoint.Settled{Key: key, Through: m.settled[key]})
	}
	for _, name := range sortedKeys(m.deletions) {
		s.Deletions = append(s.Deletions, m.deletions[name])
	}
	for _, feed := range sortedKeys(m.cursors) {
		s.Cursors = append(s.Cursors, checkpoint.Cursor{Feed: feed, Value: m.cursors[feed]})
	}
	for k := range m.refused {
		if s.Refused == nil {
			s.Refused = map[string]int{}
		}
		s.Refused[k.Feed]++
	}
	if len(s.InFlight) == 0 {
		s.InFlight = nil
	}
	return s
}

// list lists parked objects, those that were parked first at first.
func (m *image) list(filter checkpoint.Filter) []checkpoint.Parked {
	var all []checkpoint.Parked
	for _, p := range m.parked {
		if (filter.Mapping == "" || p.Mapping == filter.Mapping) && (filter.Key == "" || p.Key == filter.Key) {
			if filter.Brief {
				p = checkpoint.Parked{Key: p.Key, Mapping: p.Mapping, Code: p.Code, Waits: p.Waits, First: p.First, Last: p.Last}
			}
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b checkpoint.Parked) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Key, b.Key)) })
	all = all[min(filter.Offset, len(all)):]
	if filter.Limit > 0 {
		all = all[:min(filter.Limit, len(all))]
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
