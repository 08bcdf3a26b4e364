package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// pauses are the mappings that wait by somebody's word. The store has them before
// the pipeline: a pause is never shorter than it was asked for.
type pauses struct {
	mu  sync.Mutex
	all []checkpoint.Paused
}

// loadPauses reads what an earlier life has left, and returns what the pipeline
// begins with. What was paused of mappings that are gone is kept, should they come
// back.
func (d *Daemon) loadPauses(ctx context.Context, store *sqlite.Store) ([]delivery.Pause, error) {
	all, err := store.Paused(ctx)
	if err != nil {
		return nil, err
	}
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	d.pauses.all = all
	var begin []delivery.Pause
	for i := range d.Config.Set.Len() {
		if p, ok := pausedBy(all, d.Config.Set.Definition(i)); ok {
			begin = append(begin, delivery.Pause{Mapping: i, Reason: pauseReason(p)})
		}
	}
	return begin, nil
}

// pausedBy returns what has a mapping wait.
func pausedBy(all []checkpoint.Paused, m mapping.Definition) (checkpoint.Paused, bool) {
	at := slices.IndexFunc(all, func(p checkpoint.Paused) bool {
		return p.MappingID == checkpoint.EveryMapping || p.MappingID == pipeline.MappingID(m)
	})
	if at < 0 {
		return checkpoint.Paused{}, false
	}
	return all[at], true
}

func pauseReason(p checkpoint.Paused) string {
	reason := "since " + p.Since.Format("2006-01-02 15:04:05") + " UTC, by " + p.Command
	if p.Reason != "" {
		reason += ": " + p.Reason
	}
	return reason
}

// pause has mappings wait, or go on. Of one that was paused for long, what came since
// is left in PostgreSQL: for that, another life takes the place of l, which reads it
// again. Whoever asked may have gone by then.
func (h *house) pause(ctx context.Context, l *life, ask admin.PauseAsk) (admin.Paused, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takesOver)
	defer cancel()
	answer, err := l.pause(ctx, l.store, ask)
	if err != nil || !ask.Resume {
		return answer, err
	}
	return answer, h.goOn(ctx, l)
}

// goOn begins another life where a mapping that is not paused any more goes on in
// that alone.
func (h *house) goOn(ctx context.Context, l *life) error {
	report, err := l.Report(ctx)
	if err != nil {
		return err
	}
	left := slices.ContainsFunc(report.Mappings, func(m delivery.MappingReport) bool { return m.LeftFrom != 0 && m.Paused == "" })
	if !left {
		return nil
	}
	h.reloading.Lock()
	defer h.reloading.Unlock()
	if h.current.Load() != l {
		return nil // a reload was first
	}
	l.Log.Info("begins anew, as a mapping was resumed of which changes wait in postgresql")
	select {
	case h.next <- l.anew(l.Config, l.Log):
		h.awaitNext(ctx, l)
		return nil
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("begin anew for what was resumed: %w; restart the daemon", ctx.Err())
	}
}

// pause has mappings wait, or go on, in this life and in later ones.
func (d *Daemon) pause(ctx context.Context, store *sqlite.Store, ask admin.PauseAsk) (admin.Paused, error) {
	runner := d.runner.Load()
	if runner == nil {
		return admin.Paused{}, errStarting
	}
	d.pauses.mu.Lock()
	defer d.pauses.mu.Unlock()
	next, err := d.nextPauses(ask)
	if err != nil {
		return admin.Paused{}, err
	}
	var events []delivery.Pause
	answer := admin.Paused{Changed: []string{}, Paused: []admin.PausedMapping{}}
	for i := range d.Config.Set.Len() {
		m := d.Config.Set.Definition(i)
		_, was := pausedBy(d.pauses.all, m)
		p, is := pausedBy(next, m)
		switch {
		case is && !was:
			events = append(events, delivery.Pause{Mapping: i, Reason: pauseReason(p)})
		case was && !is:
			events = append(events, delivery.Pause{Mapping: i})
		}
		if is != was {
			answer.Changed = append(answer.Changed, m.Name)
		}
		if is {
			answer.Paused = append(answer.Paused, admin.PausedMapping{Name: m.Name, Since: p.Since, Command: p.Command, Reason: p.Reason})
		}
	}
	if err := store.SavePaused(ctx, next); err != nil {
		return admin.Paused{}, err
	}
	d.pauses.all = next
	return answer, runner.Pause(ctx, events)
}

// nextPauses is what is paused once ask is carried out. What is paused already
// keeps its time.
func (d *Daemon) nextPauses(ask admin.PauseAsk) ([]checkpoint.Paused, error) {
	set, now := d.Config.Set, time.Now().UTC()
	if err := d.knowsMappings(ask.Mappings); err != nil {
		return nil, err
	}
	all := slices.Clone(d.pauses.all)
	if !ask.Resume {
		p := checkpoint.Paused{MappingID: checkpoint.EveryMapping, Since: now, Command: "cdcsync pause", Reason: ask.Reason}
		if len(ask.Mappings) == 0 {
			if slices.ContainsFunc(all, func(p checkpoint.Paused) bool { return p.MappingID == checkpoint.EveryMapping }) {
				return all, nil
			}
			return append(all, p), nil
		}
		p.Command += " " + strings.Join(ask.Mappings, " ")
		for i := range set.Len() {
			m := set.Definition(i)
			if _, was := pausedBy(all, m); slices.Contains(ask.Mappings, m.Name) && !was {
				p.MappingID, p.Mapping = pipeline.MappingID(m), m.Name
				all = append(all, p)
			}
		}
		return all, nil
	}
	if len(ask.Mappings) == 0 {
		return nil, nil
	}
	var left []checkpoint.Paused
	for i := range set.Len() {
		m := set.Definition(i)
		if p, was := pausedBy(all, m); was && !slices.Contains(ask.Mappings, m.Name) {
			p.MappingID, p.Mapping = pipeline.MappingID(m), m.Name
			left = append(left, p)
		}
	}
	return left, nil
}

// knowsMappings checks names that somebody has given.
func (d *Daemon) knowsMappings(names []string) error {
	for _, name := range names {
		if _, err := d.Config.Set.Find(name); err != nil {
			return err
		}
	}
	return nil
}
