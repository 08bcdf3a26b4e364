package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/checkpoint/sqlite"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pipeline"
)

// compared is a configured mapping beside what an earlier life has recorded of it;
// was is nil for one that is new.
type compared struct {
	is   mapping.Definition
	was  *checkpoint.KnownMapping
	diff mapping.Difference
}

// compareMappings holds the configured mappings against those that are recorded,
// and returns those that are not configured any more, too.
func compareMappings(set *mapping.Set, known []checkpoint.KnownMapping) (all []compared, gone []checkpoint.KnownMapping, err error) {
	for i := range set.Len() {
		c := compared{is: set.Definition(i)}
		if at := slices.IndexFunc(known, func(k checkpoint.KnownMapping) bool { return k.MappingID == pipeline.MappingID(c.is) }); at >= 0 {
			c.was = &known[at]
			if c.diff, err = c.is.Compare(c.was.Rules); err != nil {
				return nil, nil, err
			}
		}
		all = append(all, c)
	}
	for _, k := range known {
		if !slices.ContainsFunc(all, func(c compared) bool { return c.was != nil && c.was.MappingID == k.MappingID }) {
			gone = append(gone, k)
		}
	}
	return all, gone, nil
}

// MappingsRefusal is why a start with these mappings is refused: one of them
// writes other objects than it did, and what it wrote would be left alone for
// good. It is nil where there is none, or where that was accepted for the mapping.
func MappingsRefusal(set *mapping.Set, known []checkpoint.KnownMapping, accepted []string, file string) (*checkpoint.Refusal, error) {
	all, gone, err := compareMappings(set, known)
	if err != nil {
		return nil, err
	}
	var reasons, flags, names, keys []string
	for _, c := range all {
		if slices.Contains(accepted, c.is.Name) {
			continue
		}
		reason := ""
		if c.diff.Key {
			reason = fmt.Sprintf("mapping %s has another key: objects of type %s that were written under the old one stay in Marketo, and no change or deletion reaches them any more", c.is.Name, c.is.Object)
			keys = append(keys, c.diff.KeyNames...)
		}
		for _, k := range gone {
			if c.was == nil && k.Name == c.is.Name && k.Schema == c.is.Schema && k.Table == c.is.Table {
				reason = fmt.Sprintf("mapping %s writes objects of type %s and no longer of %s: those stay in Marketo, and no change or deletion reaches them any more", c.is.Name, c.is.Object, k.Object)
			}
		}
		if reason != "" {
			reasons, names = append(reasons, reason), append(names, c.is.Name)
			flags = append(flags, "--accept-mapping "+c.is.Name)
		}
	}
	if reasons == nil {
		return nil, nil
	}
	renamed := ""
	if len(keys) > 0 {
		renamed = "where a column of the key was only renamed, say so: " + strings.Join(keys, ", ") + "; otherwise "
	}
	return &checkpoint.Refusal{
		Code: checkpoint.MappingChanged, Reason: strings.Join(reasons, "; "),
		Remedy: renamed + "put back what it was; or keep the old mapping, and give the new one a name and an object type of its own; or go on, once, with: " +
			checkpoint.RunOnce(file, strings.Join(flags, " ")) + ", and have all rows written as they are to be now with: cdcsync backfill start " + strings.Join(names, " "),
	}, nil
}

// settleMappings records the mappings as they are, tells what became of them, and
// has what is parked of those that are called otherwise go with them.
func (d *Daemon) settleMappings(ctx context.Context, store *sqlite.Store, state *checkpoint.State) error {
	all, gone, err := compareMappings(d.Config.Set, state.Mappings)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	news := checkpoint.MappingNews{Known: knownMappings(d.Config.Set, state, now)}
	for _, c := range all {
		news.Changes = append(news.Changes, c.changes(now, len(state.Mappings) > 0)...)
		if c.was != nil && c.was.Name != c.is.Name {
			news.Renamed = append(news.Renamed, checkpoint.Renamed{Object: c.is.Object, From: c.was.Name, To: c.is.Name})
		}
	}
	for _, k := range gone {
		news.Changes = append(news.Changes, goneChange(k, now))
	}
	for _, c := range news.Changes {
		d.Log.Warn("mapping changed since the last start", "mapping", c.Mapping, "change", c.Text, "remedy", c.Remedy)
	}
	if err := store.NoteMappings(ctx, news); err != nil {
		return err
	}
	if len(news.Renamed) > 0 {
		renamed, err := store.Load(ctx)
		if err != nil {
			return err
		}
		state.Parked, state.Deletions = renamed.Parked, renamed.Deletions
	}
	state.Mappings = news.Known
	return nil
}

// changes says what is different about a mapping; others is set where mappings are
// recorded at all.
func (c *compared) changes(now time.Time, others bool) (all []checkpoint.MappingChange) {
	note := func(reload bool, text, remedy string) {
		all = append(all, checkpoint.MappingChange{MappingID: pipeline.MappingID(c.is), Mapping: c.is.Name, At: now, Text: text, Remedy: remedy, Reload: reload})
	}
	load := "cdcsync backfill start " + c.is.Name + " sends all its rows again"
	switch {
	case c.was == nil && others && c.is.Backfill == mapping.BackfillYes:
		note(false, "mapping "+c.is.Name+" is new: the rows that its table has are sent (backfill: true)", "cdcsync backfill list shows how far that is")
	case c.was == nil && others:
		note(true, "mapping "+c.is.Name+" is new: changes are sent from now on, and not the rows that its table has already", "cdcsync backfill start "+c.is.Name+" sends them")
	case c.was == nil:
	case c.diff.Key:
		note(true, "mapping "+c.is.Name+" has another key, as accepted: objects under the old one stay in Marketo as they are", load)
	case c.diff.Stale():
		note(true, "mapping "+c.is.Name+" has changed: "+differences(c.diff)+"; objects that were written before are as it made them then, until their rows change", load)
	case !c.diff.None():
		note(false, "mapping "+c.is.Name+" has changed: "+differences(c.diff)+"; Marketo keeps what it has", "nothing is to be done, unless it was not meant")
	}
	if c.was != nil && c.was.Name != c.is.Name {
		note(false, "mapping "+c.was.Name+" is called "+c.is.Name+" now", "nothing is to be done: its parked objects go with it")
	}
	return all
}

func goneChange(k checkpoint.KnownMapping, now time.Time) checkpoint.MappingChange {
	return checkpoint.MappingChange{
		MappingID: k.MappingID, Mapping: k.Name, At: now,
		Text:   fmt.Sprintf("mapping %s of table %s.%s to %s is gone: changes of its rows are sent no more, its objects stay in Marketo, and what is parked of it stays parked", k.Name, k.Schema, k.Table, k.Object),
		Remedy: fmt.Sprintf("cdcsync parked list --mapping %[1]s shows that, cdcsync parked export --mapping %[1]s writes it out, and cdcsync parked discard --mapping %[1]s gives it up", k.Name),
	}
}

// differences are what a mapping differs in, in words.
func differences(d mapping.Difference) string {
	var parts []string
	add := func(names []string, what string) {
		if len(names) > 0 {
			parts = append(parts, strings.Join(names, ", ")+" "+what)
		}
	}
	add(d.Added, "added")
	add(d.Changed, "made by another rule")
	add(d.Removed, "not written any more")
	for _, part := range []struct {
		differs bool
		name    string
	}{{d.Where, "where"}, {d.Operation, "operation"}, {d.OnDelete, "on_delete"}, {d.Characters, "what becomes of characters"}} {
		if part.differs {
			parts = append(parts, part.name+" changed")
		}
	}
	return strings.Join(parts, "; ")
}

// mappingNotes are on what became of mappings of late, where nobody has done what
// there is to do about it, and on what is parked of those that are gone.
func (d *Daemon) mappingNotes(ctx context.Context, store *sqlite.Store, parked map[string]int, now time.Time) (notes []string) {
	changes, err := store.MappingChanges(ctx)
	if err != nil {
		return nil
	}
	begun, err := store.Backfills(ctx)
	if err != nil {
		return nil
	}
	for _, c := range changes {
		loaded := c.Reload && slices.ContainsFunc(begun, func(b checkpoint.Backfill) bool {
			return b.MappingID == c.MappingID && b.Whole() && b.State != checkpoint.BackfillCancelled && b.Added.After(c.At)
		})
		if now.Sub(c.At) < acceptedShown && !loaded {
			notes = append(notes, c.At.Format("2006-01-02 15:04")+" UTC: "+c.Text+"; "+c.Remedy)
		}
	}
	var names []string
	for name := range parked {
		if d.knowsMappings([]string{name}) != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		notes = append(notes, fmt.Sprintf("parked objects of mapping %[1]s, which is not configured: %[2]d; cdcsync parked list --mapping %[1]s shows them, cdcsync parked discard --mapping %[1]s gives them up", name, parked[name]))
	}
	return notes
}
