package daemon

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// anew is a Daemon that goes on where d ends.
func (d *Daemon) anew(c *config.Config, log *slog.Logger) *Daemon {
	return &Daemon{Config: c, Log: log, Version: d.Version, Supervisor: d.Supervisor, Load: d.Load}
}

// Hangup has the configuration read again, as a reload does, without waiting for
// it; the log tells what comes of it. One that comes during a start or another
// reload is heeded after that, also where Run has not been called yet.
func (d *Daemon) Hangup() {
	d.hungUp.Store(true)
	if h := d.house.Load(); h != nil {
		h.hangUp()
	}
}

func (h *house) hangUp() {
	select {
	case h.hangups <- struct{}{}:
	default: // several are as good as one
	}
}

// hangupAgain is how long it is waited for the end of a start, or of another reload.
const hangupAgain = 100 * time.Millisecond

// heed does what Hangup asks for.
func (h *house) heed(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	<-wait.C
	for told := false; ; {
		select {
		case <-h.hangups:
			told = false
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		l := h.current.Load()
		_, err := h.reload(ctx, l)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, errStarting), errors.Is(err, errReloading):
			if wait.Reset(hangupAgain); !told {
				told = true
				l.Log.Warn("configuration is read again later", "reason", err)
			}
		default:
			l.Log.Error("configuration not read again", "err", err)
		}
	}
}

var errReloading = errors.New("another reload is under way; try again when it has ended")

// reload reads the configuration again, and has it take the place of that of l once
// it is found to be right as a whole. What is wrong with it is in the answer.
func (h *house) reload(ctx context.Context, l *life) (admin.Reloaded, error) {
	if l.Load == nil {
		return admin.Reloaded{}, errors.New("the configuration of this process is not in a file, so that it cannot be read again; restart it")
	}
	if !h.reloading.TryLock() {
		return admin.Reloaded{}, errReloading
	}
	defer h.reloading.Unlock()
	if h.current.Load() != l || l.runner.Load() == nil {
		return admin.Reloaded{}, errStarting
	}
	conf, log, err := l.Load()
	answer := admin.Reloaded{Changed: []string{}}
	if err == nil {
		answer.Changed = append(answer.Changed, config.Differences(l.Config, conf)...)
		err = l.admit(ctx, conf)
	}
	if err != nil {
		var refusal *checkpoint.Refusal
		answer.Refused, answer.Loses = err.Error(), errors.As(err, &refusal)
		l.Log.Error("configuration not taken; the old one goes on", "err", err)
		return answer, nil
	}
	l.Log.Info("configuration read again", "changed", answer.Changed)
	select {
	case h.next <- l.anew(conf, log):
		h.awaitNext(ctx, l)
		return answer, nil
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// takesOver is how long the answer to a reload waits for what it is about: an
// orderly end may take longer than somebody waits for an answer.
const takesOver = 15 * time.Second

// awaitNext waits until another life than l has begun to deliver, so that whoever
// asked for it may ask for more.
func (h *house) awaitNext(ctx context.Context, l *life) {
	ctx, cancel := context.WithTimeout(ctx, takesOver)
	defer cancel()
	defer context.AfterFunc(h.serving, cancel)()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if next := h.current.Load(); next != l && next.runner.Load() != nil {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// admit checks whether a start with another configuration would go on, as far as
// that can be seen beside a life that runs.
func (l *life) admit(ctx context.Context, conf *config.Config) error {
	if conf.HTTP.WebConfig != l.Config.HTTP.WebConfig {
		return errors.New("http.web_config is taken at a start alone, though what is in it is read again by itself: restart the daemon")
	}
	if conf.HTTP.Listen != l.Config.HTTP.Listen || conf.State.SQLite != l.Config.State.SQLite {
		return errors.New("http.listen and state are taken at a start alone: restart the daemon")
	}
	if conf.Source.Slot != l.Config.Source.Slot || conf.Source.Publication != l.Config.Source.Publication {
		return errors.New("source.slot and source.publication are taken at a start alone: restart the daemon")
	}
	if _, err := Client(conf.Marketo, nil); err != nil {
		return err
	}
	source, err := Source(conf.Source)
	if err != nil {
		return err
	}
	state, err := l.store.Load(ctx)
	if err != nil {
		return err
	}
	x, err := Examine(ctx, conf, source, Known{State: &state})
	if err = cmp.Or(err, x.SourceErr, x.TablesErr, x.DecisionErr); err != nil {
		return err
	}
	if state.Checkpoint != nil && state.Checkpoint.System != x.Server.System {
		return errors.New("source.url leads to another cluster: restart the daemon")
	}
	refusal, err := MappingsRefusal(conf.Set, state.Mappings, nil, conf.File)
	if err != nil {
		return err
	}
	if refusal = cmp.Or(x.Tables.Refusal(nil, conf.File, ""), refusal); refusal != nil {
		return refusal
	}
	return preflight.Failed(x.Source.Findings)
}
