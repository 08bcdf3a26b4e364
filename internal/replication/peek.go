package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Waiting is what waits in a slot, without the rows: the messages of pgoutput,
// those of rows cut behind the byte that says what of the old row they carry.
type Waiting struct {
	Messages [][]byte
	// All is unset when there is more than was asked for.
	All bool
}

// peekSQL takes the slot, how many messages are wanted, and the publication.
// Begin, Commit, Relation, Type and Truncate come whole.
const peekSQL = `SELECT coalesce(jsonb_agg(CASE WHEN get_byte(data, 0) IN (66, 67, 82, 84, 89) THEN encode(data, 'base64')
		ELSE encode(substring(data FOR 6), 'base64') END), '[]')
	FROM pg_logical_slot_peek_binary_changes($1, NULL, $2::int, 'proto_version', '1', 'publication_names', $3)`

// Peek reads what waits in the slot and leaves it there, up to the end of the
// transaction with the last of so many messages. The server decodes it as it
// does for the stream. It fails while somebody reads from the slot.
func (c *Catalog) Peek(ctx context.Context, most int) (w Waiting, err error) {
	var messages [][]byte
	name := pgx.Identifier{c.Source.Publication}.Sanitize()
	// As for the stream, the right is that of the login.
	if err := c.conn.Exec(ctx, "SET ROLE NONE").Close(); err != nil {
		return Waiting{}, fmt.Errorf("look into slot %s: %w", c.Source.Slot, err)
	}
	defer func() { err = errors.Join(err, c.conn.Exec(ctx, "RESET ROLE").Close()) }()
	if err := c.JSON(ctx, &messages, peekSQL, c.Source.Slot, strconv.Itoa(most), name); err != nil {
		return Waiting{}, fmt.Errorf("look into slot %s: %w", c.Source.Slot, err)
	}
	return Waiting{Messages: messages, All: len(messages) < most}, nil
}
