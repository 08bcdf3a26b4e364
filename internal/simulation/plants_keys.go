package simulation

import (
	"github.com/cdcsync/cdcsync/internal/delivery"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// keyPlants get wrong whose key it is.
func keyPlants() []plant {
	return []plant{
		{name: "a removal is sent for what it seems", event: onWrite(func(_ *Simulator, w *mapping.Write) { w.Removal, w.Ask = false, false })},
		{name: "the stream's order is believed where it does not tell", event: onWrite(func(_ *Simulator, w *mapping.Write) { w.Ask = false })},
		{name: "a key that is asked for is held by nobody", event: onRow(func(s *Simulator, row *delivery.RowRead, asked int32) {
			if s.changes[asked].removal {
				*row = delivery.RowRead{Read: row.Read}
			}
		})},
		{name: "a row that does not match is taken for gone", event: onRow(func(_ *Simulator, row *delivery.RowRead, _ int32) {
			if row.State == delivery.RowDiffers {
				*row = delivery.RowRead{Read: row.Read}
			}
		})},
		{name: "a row of another spelling is none", effect: func(_ *Simulator, e delivery.Effect) []delivery.Effect {
			if read, ok := e.(delivery.Read); ok {
				read.Folded = false
				e = read
			}
			return []delivery.Effect{e}
		}},
		{name: "what a row has is sent after it", event: onRow(func(_ *Simulator, row *delivery.RowRead, _ int32) { row.Seen = nil })},
		{name: "a row is said to have what comes after it", event: onRow(func(_ *Simulator, row *delivery.RowRead, _ int32) {
			if row.Seen != nil {
				seen := *row.Seen
				seen.Xmin, seen.Xmax, seen.Flushed = seen.Xmin+20, seen.Xmax+20, seen.Flushed+10_000
				row.Seen = &seen
			}
		})},
		{name: "a row that cannot be read is gone", event: onRow(func(_ *Simulator, row *delivery.RowRead, _ int32) {
			if row.Problem != nil {
				*row = delivery.RowRead{Read: row.Read}
			}
		})},
	}
}

// onWrite is an event that changes what the stream asks for.
func onWrite(change func(*Simulator, *mapping.Write)) func(*Simulator, delivery.Event) []delivery.Event {
	return func(s *Simulator, ev delivery.Event) []delivery.Event {
		if r, ok := ev.(*delivery.Received); ok {
			for i := range r.Entries {
				if r.Entries[i].Kind == delivery.EntryWrite {
					change(s, &r.Entries[i].Write)
				}
			}
		}
		return []delivery.Event{ev}
	}
}

// onRow is an event that changes what a row that was read is.
func onRow(change func(s *Simulator, row *delivery.RowRead, asked int32)) func(*Simulator, delivery.Event) []delivery.Event {
	return func(s *Simulator, ev delivery.Event) []delivery.Event {
		if row, ok := ev.(delivery.RowRead); ok {
			for i := len(s.reads) - 1; i >= 0; i-- {
				if s.reads[i].id == row.Read {
					change(s, &row, max(s.reads[i].asked, 0))
					break
				}
			}
			ev = row
		}
		return []delivery.Event{ev}
	}
}
