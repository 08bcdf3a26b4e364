package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cdcsync/cdcsync/internal/daemon"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pipeline"
	"github.com/cdcsync/cdcsync/internal/preflight"
	"github.com/cdcsync/cdcsync/internal/preview"
)

// usedBy is what uses an object type, or why that is not known.
type usedBy struct {
	names   []string
	unknown string
}

// describe has the mappings write values as Marketo's fields want them, as a start
// does: by what it says now, or said at an earlier start.
func (p *previewing) describe(ctx context.Context) (problem string) {
	p.known = daemon.Described(p.conf)
	asks, ok := p.client.(preflight.Describer)
	asked := make(map[string]bool)
	for _, i := range p.mappings {
		name := p.conf.Set.Definition(i).Object
		if ok && !p.offline && !asked[name] && problem == "" {
			asked[name] = true
			bounded, cancel := context.WithTimeout(ctx, marketoTimeout)
			description, err := asks.Describe(bounded, name)
			cancel()
			if err != nil {
				problem = "object " + name + ": " + err.Error()
			} else {
				p.known[name] = description
			}
		}
		if d, found := p.known[name]; found {
			p.conf.Set.Describe(i, d)
		}
	}
	return problem
}

// askUsers asks what uses the object type, once for each.
func (p *previewing) askUsers(ctx context.Context, m *preview.Mapping) {
	asks, ok := p.client.(pipeline.Dependents)
	if p.offline || !ok {
		return
	}
	used, known := p.users[m.Object]
	if !known {
		ctx, cancel := context.WithTimeout(ctx, marketoTimeout)
		defer cancel()
		found, err := asks.DependentAssets(ctx, m.Object)
		if err != nil {
			used.unknown = err.Error()
		}
		for _, a := range found {
			used.names = append(used.names, a.String())
		}
		slices.Sort(used.names)
		if p.users == nil {
			p.users = make(map[string]usedBy)
		}
		p.users[m.Object] = used
	}
	m.UsedBy, m.UsedByUnknown = used.names, used.unknown
}

// compare asks what Marketo has of the objects of a sample.
func (p *previewing) compare(ctx context.Context, m *preview.Mapping, sample *preview.Sample, d marketo.Description) {
	asks, ok := p.client.(preview.Querier)
	calls := 0
	if ok {
		calls = sample.Calls(asks)
	}
	switch {
	case p.offline:
		m.Unasked = "--offline"
		return
	case !ok || calls == 0:
		return
	}
	if asks.MostKeys() == 1 {
		fmt.Fprintf(p.says, "%s: over SOAP it takes %d calls to ask what Marketo has of these rows; --offline takes none\n", m.Mapping, calls)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(calls)*marketoTimeout)
	defer cancel()
	if err := sample.Compare(ctx, asks, d); err != nil {
		m.Unasked = err.Error()
		return
	}
	m.Asked = calls
}
