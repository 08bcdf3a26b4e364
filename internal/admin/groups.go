package admin

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/remedy"
)

// groups sums up parked objects by mapping and code.
type groups map[[2]string]*Group

func (g groups) add(p *checkpoint.Parked) {
	key := [2]string{p.Mapping, p.Code}
	group := g[key]
	if group == nil {
		do := remedy.For(p.Code)
		group = &Group{Mapping: p.Mapping, Code: p.Code, Who: do.Who, Do: do.Do, First: p.First.UTC()}
		g[key] = group
	}
	group.Count++
	if p.Waits {
		group.Waiting++
	}
	if p.First.Before(group.First) {
		group.First = p.First.UTC()
	}
	if !p.Last.Before(group.Last) {
		group.Last, group.Message = p.Last.UTC(), p.Message
	}
}

// list returns the groups, the largest first.
func (g groups) list() []Group {
	list := make([]Group, 0, len(g))
	for _, group := range g {
		list = append(list, *group)
	}
	slices.SortFunc(list, func(a, b Group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Mapping+"\x00"+a.Code, b.Mapping+"\x00"+b.Code)
	})
	return list
}
