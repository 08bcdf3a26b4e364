package preflight

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// Source checks server, slot, publication and every mapped table against the
// mappings. A missing slot, and with it a missing publication, are fine where
// the role may create them at the start. locate says where in the
// configuration a mistake stands; nil shows it as it is. The error is only for
// not being able to look.
func Source(ctx context.Context, session *replication.Catalog, server replication.Server, set *mapping.Set, locate func(mapping.Mistake) string) (Seen, error) {
	seen, err := describe(ctx, session, set)
	if err != nil {
		return Seen{}, err
	}
	others, err := describeOthers(ctx, session, set)
	if err != nil {
		return Seen{}, err
	}
	known, err := readFacts(ctx, session, set.Tables(), openLong)
	if err != nil {
		return Seen{}, err
	}
	if locate == nil {
		locate = func(m mapping.Mistake) string { return m.Error() }
	}
	in := &inspection{
		server: server, slot: session.Source.Slot, publication: session.Source.Publication,
		set: set, locate: locate, facts: known, tables: seen.Tables, holders: seen.Holders,
	}
	in.inspectServer()
	in.inspectSlot()
	in.about(ScopeStream, "", in.inspectPublication)
	for i := range in.tables {
		t := &in.tables[i]
		in.about(ScopeTable, t.Schema+"."+t.Name, func() { in.inspectTable(t) })
	}
	in.about(ScopeRows, "", func() { in.inspectLookups(others) })
	for _, o := range others {
		if !slices.ContainsFunc(seen.Tables, func(t catalog.Table) bool { return t.Schema == o.table.Schema && t.Name == o.table.Name }) {
			seen.Tables = append(seen.Tables, o.table)
		}
	}
	seen.Findings = in.findings
	return seen, nil
}

// Seen is what Source has seen.
type Seen struct {
	Findings []Finding
	// Tables are the mapped tables as the catalog describes them, in the order of
	// mapping.Set.Tables, and then those that values are looked up in; one that is
	// missing has Exists unset.
	Tables []catalog.Table
	// Holders say of each what keeps two of its rows from having one key; nil
	// where that is not known.
	Holders map[mapping.Table]*replication.KeyHolders
}

// describe returns the tables, and what keeps two rows of each from holding one
// key.
func describe(ctx context.Context, session *replication.Catalog, set *mapping.Set) (Seen, error) {
	names := set.TableNames()
	tables, err := session.Describe(ctx, names)
	if err != nil {
		return Seen{}, fmt.Errorf("preflight: %w", err)
	}
	found, err := session.Holders(ctx, names)
	if err != nil {
		return Seen{}, fmt.Errorf("preflight: %w", err)
	}
	holders := map[mapping.Table]*replication.KeyHolders{}
	for i, name := range names {
		holders[mapping.Table(name)] = found[i]
	}
	return Seen{Tables: tables, Holders: holders}, nil
}

// openLong is from when on a transaction that is open is worth a word.
const openLong = time.Minute

// inspection is one look at the source.
type inspection struct {
	report
	server      replication.Server
	slot        string
	publication string
	set         *mapping.Set
	locate      func(mapping.Mistake) string
	facts       facts
	tables      []catalog.Table
	holders     map[mapping.Table]*replication.KeyHolders
}

// published reports whether the publication sends an operation; one that is
// yet to be created will send all.
func (in *inspection) published() replication.PublicationState {
	if p := in.server.Publication; p != nil {
		return *p
	}
	return replication.PublicationState{Insert: true, Update: true, Delete: true, Truncate: true}
}

// fromNowOn ends the detail of a finding whose remedy cannot bring back what
// the stream has already left out.
func (in *inspection) fromNowOn() string {
	if in.server.Slot == nil {
		return ""
	}
	return "; changes made before the remedy stay missing in the stream"
}
