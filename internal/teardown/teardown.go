// Package teardown takes away what cdcsync made in a database: the replication
// slot and the publication.
//
// It promises to touch neither while somebody reads from the slot, nor a slot
// that is no slot of ours. What the slot still held is lost then; who asks is
// told how much that is. Nothing of the tables, of Marketo or of the state file
// is touched.
package teardown

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Plan is what would be taken away. The zero Plan is nothing.
type Plan struct {
	source      *replication.Source
	Slot        *catalog.Slot
	Publication *replication.PublicationState
	// Lag is the WAL that was not delivered, in bytes.
	Lag int64
	// Users are other slots, which may read by the publication.
	Users []string
}

// Look finds what there is. An error says why it must not be taken away.
func Look(ctx context.Context, source *replication.Source) (Plan, error) {
	session, err := source.Catalog(ctx)
	if err != nil {
		return Plan{}, err
	}
	defer session.Close(context.WithoutCancel(ctx))
	server, err := session.Inspect(ctx)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{source: source, Slot: server.Slot, Publication: server.Publication}
	if s := server.Slot; s != nil {
		if err := ours(s, server.Database); err != nil {
			return Plan{}, err
		}
		if s.Confirmed > 0 && server.Current > s.Confirmed {
			p.Lag = int64(server.Current - s.Confirmed)
		}
	}
	if p.Publication != nil {
		p.Users, err = session.OtherUsers(ctx, source.Slot)
	}
	return p, err
}

// ours says what speaks against dropping a slot.
func ours(s *catalog.Slot, database string) error {
	switch {
	case s.Active:
		return fmt.Errorf("replication slot %s is in use, by process %d of the server; stop cdcsync first", s.Name, s.ActivePID)
	case s.Plugin != "pgoutput":
		return fmt.Errorf("replication slot %s is of another program: its plugin is %q; correct source.slot", s.Name, s.Plugin)
	case s.Database != database:
		return fmt.Errorf("replication slot %s is of database %s, and this is %s; correct source.url or source.slot", s.Name, s.Database, database)
	}
	return nil
}

// Nothing reports whether there is nothing to take away.
func (p Plan) Nothing() bool { return p.Slot == nil && p.Publication == nil }

// String says what would be taken away, a line each.
func (p Plan) String() string {
	var b strings.Builder
	if s := p.Slot; s != nil {
		fmt.Fprintf(&b, "replication slot %s", s.Name)
		if p.Lag > 0 {
			fmt.Fprintf(&b, ": changes in the last %d bytes of WAL were not acknowledged; those not delivered are lost", p.Lag)
		}
		b.WriteByte('\n')
	}
	if pub := p.Publication; pub != nil {
		var tables []string
		for _, t := range pub.Tables {
			tables = append(tables, t.Schema+"."+t.Name)
		}
		what := strings.Join(tables, ", ")
		if pub.AllTables {
			what = "all tables"
		}
		fmt.Fprintf(&b, "publication %s of %s", pub.Name, what)
		if len(p.Users) > 0 {
			fmt.Fprintf(&b, ": if slot %s reads by it, that cannot go on without it", strings.Join(p.Users, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Carry takes away what the plan has: the slot first, as what reads from it needs
// the publication. What is gone meanwhile is no error; a slot that came into use
// is one, and the publication stays then.
func (p Plan) Carry(ctx context.Context) error {
	if p.Slot != nil {
		if err := p.source.DropSlot(ctx); err != nil && replication.Diagnose(err) != replication.SlotMissing {
			return err
		}
	}
	if p.Publication == nil {
		return nil
	}
	err := p.source.DropPublication(ctx)
	if err != nil && p.Slot != nil {
		return errors.Join(errors.New("the slot is gone, the publication is not"), err)
	}
	return err
}
