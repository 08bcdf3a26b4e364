package admin

import (
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/remedy"
)

// groups sums up parked objects by mapping and code.
type groups map[[2]string]*group

type group struct {
	Group
	// newest is the key of the object parked last.
	newest string
}

func (g groups) add(p *checkpoint.Parked) {
	key := [2]string{p.Mapping, p.Code}
	sum := g[key]
	if sum == nil {
		do := remedy.For(p.Code)
		sum = &group{Group: Group{Mapping: p.Mapping, Code: p.Code, Who: do.Who, Do: do.Do, First: p.First.UTC()}}
		g[key] = sum
	}
	sum.Count++
	if p.Waits {
		sum.Waiting++
	}
	if p.First.Before(sum.First) {
		sum.First = p.First.UTC()
	}
	if !p.Last.Before(sum.Last) {
		sum.Last, sum.newest = p.Last.UTC(), p.Key
	}
}

// list returns the groups, the largest first.
func (g groups) list() []group {
	list := make([]group, 0, len(g))
	for _, sum := range g {
		list = append(list, *sum)
	}
	slices.SortFunc(list, func(a, b group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Mapping+"\x00"+a.Code, b.Mapping+"\x00"+b.Code)
	})
	return list
}
