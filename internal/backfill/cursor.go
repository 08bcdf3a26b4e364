package backfill

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Cursor is how far a backfill has come: what is before it is settled.
type Cursor struct {
	// Columns are those of the key that the table is read by, After the texts of
	// the last row that is done; nil before the first.
	Columns []string `json:"columns,omitempty"`
	After   []string `json:"after,omitempty"`
	// Until are the texts of the last row that there was when the first were read:
	// what is behind it came since, and so with the stream.
	Until []string `json:"until,omitempty"`
	// Keys counts those that are done, where only some are asked for.
	Keys int `json:"keys,omitempty"`
	// Rows and Objects were read and handed in up to here.
	Rows    int64 `json:"rows"`
	Objects int64 `json:"objects"`
}

// String writes it for a store. It is never empty.
func (c Cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic("backfill: " + err.Error()) // texts and numbers only
	}
	return string(text)
}

// ParseCursor reads what String has written; "" is the beginning.
func ParseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("cursor of a backfill: %w", err)
	}
	return c, nil
}

// Fits reports whether it is a place in the order of a key of these columns.
func (c Cursor) Fits(columns []string) bool {
	return c.After == nil || len(c.After) == len(columns) && slices.Equal(c.Columns, columns)
}
