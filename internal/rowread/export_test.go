package rowread

import (
	"context"
	"time"
)

// SetPatience has a Reader wait less for a server, before it runs.
func (r *Reader) SetPatience(d time.Duration) { r.patience = d }

// FoldedPlan is how the server would look for another spelling of a key.
func (s *Snapshot) FoldedPlan(ctx context.Context, key ...string) (string, error) {
	if err := s.prepareFold(ctx); err != nil {
		return "", err
	}
	var parameters [][]byte
	var formats []int16
	for i := range s.key {
		parameters, formats = append(parameters, textArray([]Key{{Values: key}}, []int{0}, i)), append(formats, 1)
	}
	result := s.conn.ExecParams(ctx, "EXPLAIN "+s.rowsQuery(true), parameters, nil, formats, nil).Read()
	plan := ""
	for _, row := range result.Rows {
		plan += string(row[0]) + "\n"
	}
	return plan, result.Err
}
