package delivery

import (
	"cmp"
	"log/slog"
	"slices"
	"time"
)

const (
	// parkedEvery is the shortest time between two lines on objects that are
	// parked for one reason.
	parkedEvery = time.Minute
	// parkedKinds bounds the reasons that are told apart.
	parkedKinds = 100
)

// parkedKind is a mapping and a code.
type parkedKind struct {
	mapping int
	code    string
}

// parkedNews is what the log has to say of parked objects: the first of a kind
// at once, and how many followed at most once a minute.
type parkedNews struct {
	kinds map[parkedKind]*parkedSoon
	// due is when the next line is, at the earliest.
	due time.Time
	// untried are the mappings of waiting objects that could not be tried again.
	untried map[string]bool
}

// parkedSoon is what is to be told of one kind at a time to come.
type parkedSoon struct {
	at   time.Time
	more int
	said string
}

// noteParked tells of an object that was not parked before.
func (m *Machine) noteParked(now time.Time, mapping int, code, said string) {
	kind, news := parkedKind{mapping, code}, &m.parked.news
	if news.kinds[kind] == nil && len(news.kinds) >= parkedKinds {
		kind.code = "other"
	}
	if soon := news.kinds[kind]; soon != nil {
		soon.more++
		soon.said = said
		return
	}
	if news.kinds == nil {
		news.kinds = make(map[parkedKind]*parkedSoon)
	}
	if len(news.kinds) == 0 {
		news.due = now.Add(parkedEvery)
	}
	news.kinds[kind] = &parkedSoon{at: now.Add(parkedEvery)}
	m.log(slog.LevelWarn, "object parked", "mapping", m.cfg.Mappings[mapping].Name, "code", cmp.Or(code, "-"), "reason", said)
}

// tellParked tells how many objects were parked since the last line on their
// kind.
func (m *Machine) tellParked(now time.Time) {
	news := &m.parked.news
	if len(news.kinds) == 0 {
		return
	}
	if news.due.After(now) {
		m.wakeAt(news.due)
		return
	}
	var due []parkedKind
	for kind, soon := range news.kinds {
		switch {
		case soon.at.After(now):
		case soon.more == 0:
			delete(news.kinds, kind)
		default:
			due = append(due, kind)
		}
	}
	slices.SortFunc(due, func(a, b parkedKind) int {
		return cmp.Or(cmp.Compare(a.mapping, b.mapping), cmp.Compare(a.code, b.code))
	})
	for _, kind := range due {
		soon := news.kinds[kind]
		m.log(slog.LevelWarn, "more objects parked", "mapping", m.cfg.Mappings[kind.mapping].Name, "code", cmp.Or(kind.code, "-"),
			"objects", soon.more, "reason", soon.said)
		soon.more, soon.at = 0, now.Add(parkedEvery)
	}
	news.due = time.Time{}
	for _, soon := range news.kinds {
		if news.due.IsZero() || soon.at.Before(news.due) {
			news.due = soon.at
		}
	}
	if len(news.kinds) > 0 {
		m.wakeAt(news.due)
	}
}

// noteUntried tells of a waiting object that cannot be tried again: once for each
// mapping, as it is the same with the others of it.
func (m *Machine) noteUntried(mapping string, err error) {
	if m.parked.news.untried[mapping] {
		return
	}
	if m.parked.news.untried == nil {
		m.parked.news.untried = make(map[string]bool)
	}
	m.parked.news.untried[mapping] = true
	m.log(slog.LevelWarn, "waiting object cannot be tried again; retry or discard it by hand", "mapping", mapping, "err", err)
}
