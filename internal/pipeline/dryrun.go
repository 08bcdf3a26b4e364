package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// DryRun tries what reading from a position would meet, without rows and without
// delivering anything.
type DryRun struct {
	Source     *replication.Source
	Mappings   *mapping.Set
	Identities []Identity
	// From is the checkpoint: what was committed before it is settled.
	From checkpoint.Checkpoint
}

// Halt says why reading what waits would halt, in the reader's own words; ""
// when it would not. An error means that it could not be found out.
func (f DryRun) Halt(ctx context.Context, waiting replication.Waiting) (string, error) {
	r := newReader(&Runner{
		Source: f.Source, Mappings: f.Mappings, Identities: f.Identities, Log: slog.New(slog.DiscardHandler),
		State: checkpoint.State{Checkpoint: &f.From},
	})
	var decoder pgoutput.Decoder
	named := map[uint32]*pgoutput.Relation{}
	settled := false
	var described viaRoot
	for _, message := range waiting.Messages {
		var err error
		switch message[0] {
		case 'I', 'U', 'D':
			if len(message) < 6 {
				return "", fmt.Errorf("look at what waits: a message of %d bytes", len(message))
			}
			if !settled {
				err = f.row(ctx, r, &decoder, named, message, described)
			}
			described = viaRoot{}
		default:
			var m pgoutput.Message
			if m, err = decoder.Decode(message); err != nil {
				return "", fmt.Errorf("look at what waits: %w", err)
			}
			switch m := m.(type) {
			case *pgoutput.Begin:
				settled, r.final = m.Final < f.From.LSN, m.Final
			case *pgoutput.Relation:
				named[m.ID] = m
				described = described.next(m, len(f.Mappings.Mappings(mapping.Table{Schema: m.Schema, Name: m.Name})) > 0)
			case *pgoutput.Truncate:
				if !settled {
					err = f.truncate(ctx, r, &decoder, named, m)
				}
			}
		}
		if errors.Is(err, errHalted) {
			return r.status().Problem, nil
		}
		if err != nil {
			return "", fmt.Errorf("look at what waits: %w", err)
		}
	}
	return "", nil
}

// row looks at a change of a row, of which all but its values is known.
func (f DryRun) row(ctx context.Context, r *reader, decoder *pgoutput.Decoder, named map[uint32]*pgoutput.Relation, message []byte, described viaRoot) error {
	rel := named[binary.BigEndian.Uint32(message[1:])]
	if rel == nil {
		return errors.New("a row of a table that was not described")
	}
	if err := f.describe(ctx, r, decoder, rel); err != nil {
		return err
	}
	if described.child != nil && rel == described.root {
		return r.stopViaRoot(described)
	}
	if message[0] != 'D' || message[5] != 'K' || f.Mappings.Of(rel).WithoutOldKey() == nil {
		return nil
	}
	// Nothing is known of the row, so where cannot tell that it had no object.
	c := &pgoutput.Change{Relation: rel, Operation: pgoutput.Delete, Old: make([]pgoutput.Value, len(rel.Columns)), OldIsKey: true}
	r.writes = f.Mappings.Apply(c, r.writes[:0])
	return r.withoutOldKey(ctx, c)
}

func (f DryRun) truncate(ctx context.Context, r *reader, decoder *pgoutput.Decoder, named map[uint32]*pgoutput.Relation, m *pgoutput.Truncate) error {
	for _, rel := range m.Relations {
		if err := f.describe(ctx, r, decoder, rel); err != nil {
			return err
		}
	}
	return r.truncate(ctx, m)
}

// describe binds a description when the first change of it comes: a table that
// only settled transactions describe does no harm.
func (f DryRun) describe(ctx context.Context, r *reader, decoder *pgoutput.Decoder, rel *pgoutput.Relation) error {
	if r.described[rel.ID] == rel {
		return nil
	}
	return r.relation(ctx, decoder, rel)
}
