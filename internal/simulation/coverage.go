package simulation

import (
	"reflect"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Coverage counts what happened in a run: every fault, and everything the
// machine did about it.
type Coverage struct {
	// What the source did.
	Foreign, Rollbacks, Huge, Partial, KeyChanges int
	Old                                           int
	Marks, Urgent, CutTransactions                int
	Disconnects, ServerCrashes                    int
	Operations                                    [4]int
	Problems, Rereads, Sets                       int
	// Keys that changed hands.
	Exchanges, Held, Hidden, Respelled int
	Differed, Unreadable               int
	// What became of calls and objects.
	LostRequests, LostReplies, Late, Slow, ShortReplies, Outages int
	Faults                                                       [9]int
	Outcomes                                                     [5]int
	Repeated, LateLeaves                                         int
	// What became of the process.
	Lives, Kills, PowerLosses, PowerStarts, Stops, Pauses int
	CallsCutByDeath, Days, ClockJumps                     int
	FailedSaves, LostSaves, SavesFinishedByDeath          int
	// What the machine did.
	Sends                                                [4]int
	Saves, SyncedSaves, Confirms, Reads, Logs, Finished  int
	CleanEnds, Started, Ended, Settled, Parked, Resolved int
	SettledTo, SettledToLoaded, Excepted                 int
	// Mappings that were stopped, what stands for settled changes beside one, and
	// what a life found to lag.
	MappingsStopped, SettledBeside, Lagging  int
	Retries, ReadErrors, RowsGone, RowsAhead int
	// Completed counts objects that came to be from a part of their rows, or
	// may have.
	Completed int
	// Ahead: a call was sent that had been recorded before it had a place.
	Ahead int
	// Supplied: it read no further although there was memory left.
	Supplied int
	// Stood: the slot stood for long with work to do.
	Stood    int
	Compared int
	// What an operator did.
	RetriedByHand, Discarded, ActedInVain int
	Releases, Reserved                    int
	// What a backfill did: chunks, rows of them and those that the stream had
	// newer, cursors that were saved.
	Chunks, Offered, Removed, Touched, Cursors int
	RowsRefused                                int
	// Mappings that were paused and resumed, resumed with something waiting; lives
	// that began with one paused, and calls of it that were on their way.
	MappingsPaused, ResumedWithWork, StartedPaused, SentPaused int
	// LeftOut: what came of a paused one was left in PostgreSQL from a change on;
	// BegunAnew: it was resumed, which a new life begins for.
	LeftOut, BegunAnew int
	// Announced: backfills that created more than that.
	Announced int
	// What is remembered of objects: looks, those that found something, objects
	// that were not sent for it, and that of all that was lost with the power.
	Looks, Found, Unchanged, RecordsLost int
	// Waits that were answered with a yes, and with a no.
	WaitsOver, WaitsOn int
	// Calls that were refused for the number of calls.
	Throttled, Spent int
}

func (c *Coverage) change(ch *change) {
	c.Operations[ch.operation]++
	if ch.problem {
		c.Problems++
	}
	if ch.reread {
		c.Rereads++
	}
	if ch.set {
		c.Sets++
	}
}

func (c *Coverage) notAccepting(s *Simulator) {
	config := &s.profile.config
	if s.profile.stops || config.HaltOnReject {
		return // it may be the end
	}
	if objects, bytes := s.process.machine.Load(); objects < config.MaxPending && bytes < config.MaxPendingBytes {
		c.Supplied++
	}
}

func (c *Coverage) send(b *marketo.Batch) { c.Sends[b.Operation]++ }

func (c *Coverage) save(sv *checkpoint.Save) {
	c.Saves++
	if sv.Sync {
		c.SyncedSaves++
	}
	c.Started += len(sv.Started)
	c.Ended += len(sv.Ended)
	c.Settled += len(sv.Settled)
	if sv.SettledTo != nil {
		c.SettledTo++
		c.Excepted += len(sv.SettledTo.Except)
		c.SettledBeside += min(1, len(sv.SettledTo.Stopped))
	}
	c.Resolved += len(sv.Resolved)
}

// Add adds the counts of another run.
func (c *Coverage) Add(o *Coverage) {
	a, b := reflect.ValueOf(c).Elem(), reflect.ValueOf(o).Elem()
	for i := range a.NumField() {
		if f := a.Field(i); f.Kind() == reflect.Array {
			for j := range f.Len() {
				f.Index(j).SetInt(f.Index(j).Int() + b.Field(i).Index(j).Int())
			}
		} else {
			f.SetInt(f.Int() + b.Field(i).Int())
		}
	}
}

// Each calls do for every count.
func (c *Coverage) Each(do func(name string, index, n int)) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if f.Kind() != reflect.Array {
			do(name, -1, int(f.Int()))
			continue
		}
		for j := range f.Len() {
			do(name, j, int(f.Index(j).Int()))
		}
	}
}
