package replication

import (
	"context"
	"fmt"
)

// OtherUsers names the slots of the database, but for Slot, that may read by the
// publication: which one a slot reads by is not in the catalog. One that does cannot
// read what it has still to read once the publication is gone, not even when it is made
// anew.
func (c *Catalog) OtherUsers(ctx context.Context, slot string) (slots []string, err error) {
	if err := c.JSON(ctx, &slots, `SELECT COALESCE(jsonb_agg(slot_name ORDER BY slot_name), '[]') FROM pg_replication_slots
		WHERE database = current_database() AND plugin = 'pgoutput' AND slot_name <> $1`, slot); err != nil {
		return nil, fmt.Errorf("look for slots that may read by the publication: %w", err)
	}
	return slots, nil
}
