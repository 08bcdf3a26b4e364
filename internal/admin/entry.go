package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// identify returns the ID of a parked object. Its Key holds zero bytes, and
// may be long.
func identify(p *checkpoint.Parked) string {
	sum := sha256.Sum256([]byte(p.Key))
	return hex.EncodeToString(sum[:6])
}

// entry is a parked object without its payload.
func entry(p *checkpoint.Parked) Entry {
	e := Entry{
		ID: identify(p), Mapping: p.Mapping, Object: p.Object, Key: written(p.Fields),
		Code: p.Code, Message: p.Message, Operation: p.Operation,
		LSN: p.At.Commit.String(), Committed: p.Committed.UTC(),
		Attempts: p.Attempts, First: p.First.UTC(), Last: p.Last.UTC(), Waits: p.Waits,
	}
	if p.Waits && !p.Next.IsZero() {
		next := p.Next.UTC()
		e.Next = &next
	}
	return e
}

// payload returns the attributes of a parked object; as text, should they not
// be JSON.
func payload(p *checkpoint.Parked) json.RawMessage {
	if json.Valid([]byte(p.Payload)) {
		return json.RawMessage(p.Payload)
	}
	text, _ := json.Marshal(p.Payload)
	return text
}

// written writes key attributes as people do, MKTOID=7,rid=42, in the order of
// the JSON object they come in.
func written(fields string) string {
	decoder := json.NewDecoder(strings.NewReader(fields))
	decoder.UseNumber()
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	var parts []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return strings.Join(parts, ",")
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return strings.Join(parts, ",")
		}
		if value == nil {
			value = ""
		}
		parts = append(parts, fmt.Sprintf("%s=%v", name, value))
	}
	return strings.Join(parts, ",")
}

// named reports whether wanted is the ID of p, or its key, with the attributes
// in any order.
func named(p *checkpoint.Parked, wanted string) bool {
	if !strings.Contains(wanted, "=") {
		return identify(p) == wanted
	}
	key := written(p.Fields)
	if key == wanted {
		return true
	}
	sorted := func(s string) []string { return slices.Sorted(strings.SplitSeq(s, ",")) }
	return len(key) == len(wanted) && slices.Equal(sorted(key), sorted(wanted))
}

// EntryOf shows a parked object without its payload.
func EntryOf(p *checkpoint.Parked) Entry { return entry(p) }
