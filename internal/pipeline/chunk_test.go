package pipeline

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/internal/backfill"
	"github.com/cdcsync/cdcsync/internal/mapping"
)

// A chunk is handed over in pieces, each with the cursor behind it; none is behind a
// row that is to be read again, and every row that is kept is in one of them.
func TestPiecesOfAChunk(t *testing.T) {
	cursor := func(at int) backfill.Cursor { return backfill.Cursor{Rows: int64(at)} }
	c := &chunk{ticket: 7, before: cursor(0), after: cursor(100), last: true}
	for i := range 10 {
		c.writes = append(c.writes, mapping.Write{Key: fmt.Sprint(i)})
	}
	c.pieces = []piece{{4, cursor(4)}, {8, cursor(8)}}
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, tt := range []struct {
		name    string
		verdict backfill.Verdict
		want    string
	}{
		{"all", backfill.Verdict{Kept: all}, "7:0123@4 8:4567@8 9:89@100last "},
		{"dropped", backfill.Verdict{Kept: []int{0, 2, 9}}, "7:02@4 9:9@100last "},
		{"none", backfill.Verdict{}, "9:@100last "},
		{"again", backfill.Verdict{Kept: []int{0, 1, 2, 3, 4, 6, 7, 8, 9}, Again: []int{5}}, "7:0123@4 8:467@4 9:89@4 "},
		{"the first again", backfill.Verdict{Kept: all[1:], Again: []int{0}}, "7:123@0 8:4567@0 9:89@0 "},
		{"the last again", backfill.Verdict{Kept: all[:9], Again: []int{9}}, "7:0123@4 8:4567@8 9:8@8 "},
	} {
		got := ""
		for _, p := range c.hand(tt.verdict).pieces {
			got += fmt.Sprintf("%d:", p.offered.Ticket)
			for _, w := range p.offered.Writes {
				got += w.Key
			}
			got += fmt.Sprintf("@%d", p.cursor.Rows)
			if p.offered.Last {
				got += "last"
			}
			if p.offered.Cursor != p.cursor.String() {
				t.Errorf("%s: cursor %s, saved as %s", tt.name, p.cursor, p.offered.Cursor)
			}
			got += " "
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		before := cursor(0)
		if again := tt.verdict.Again; len(again) > 0 {
			before = behind(c.pieces, before, again[0])
			if p := c.hand(tt.verdict).pieces; p[len(p)-1].cursor.Rows != before.Rows {
				t.Errorf("%s: what is read again goes on at %d", tt.name, before.Rows)
			}
		}
	}
}
