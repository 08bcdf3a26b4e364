package daemon

import (
	"context"
	"time"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/shadow"
)

// estimate is what a day costs by what was seen so far.
func (s *Shadow) estimate(ctx context.Context) (shadow.Estimate, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	report, err := s.runner.Report(ctx)
	if err != nil {
		return shadow.Estimate{}, err
	}
	return s.estimateOf(report), nil
}

func (s *Shadow) estimateOf(report delivery.Report) shadow.Estimate {
	calls, set := s.client.Calls(), s.Config.Set
	counted := time.Duration(0)
	if !s.statistics.Since.IsZero() {
		counted = s.statistics.Now.Sub(s.statistics.Since)
	}
	seen := make([]shadow.Seen, set.Len())
	for i := range seen {
		d := set.Definition(i)
		seen[i] = shadow.Seen{Mapping: d.Name, Object: d.Object, Calls: calls[set.Shape(i)]}
		rows, m := report.Source.Rows[i], report.Mappings[i]
		seen[i].Changes, seen[i].Filtered = int64(rows.Inserts+rows.Updates+rows.Deletes), int64(rows.Filtered)
		seen[i].Merged, seen[i].Unchanged, seen[i].Unmappable = int64(m.Coalesced), int64(m.Unchanged), int64(m.Unmappable)
		if counted > 0 {
			n := float64(s.statistics.Tables[catalog.TableName{Schema: d.Schema, Name: d.Table}].All()) * float64(24*time.Hour) / float64(counted)
			seen[i].Day = &n
		}
	}
	return shadow.Of(seen, s.began, time.Since(s.began), counted, s.client.Capacity().Objects, Limits(s.Config.Marketo), s.Config.Marketo.Limits.CallsPerDay)
}
