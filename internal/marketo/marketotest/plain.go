// Package marketotest has texts and batches that tests of every client write.
package marketotest

import (
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// ShortTexts visits texts that have every byte at every place, beside bytes that
// could lend it one or borrow from it.
func ShortTexts(visit func(text string)) {
	for n := range 26 {
		for _, around := range []byte{' ', '!', '#', '~', 0x7F} {
			text := []byte(strings.Repeat(string(rune(around)), n))
			for at := range text {
				for c := range 256 {
					text[at] = byte(c)
					visit(string(text))
				}
				text[at] = around
			}
		}
	}
}

// Thrice is a batch of one object that has text as each of its values; plain is
// what its record says of them, see marketo.Plain.
func Thrice(text string, plain bool) *marketo.Batch {
	shape := &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}
	r := marketo.Record(nil).Begin(3)
	for at := range 3 {
		r = append(r, text...)
		r.Set(at, marketo.String, len(r)-len(text), len(r), plain)
	}
	return &marketo.Batch{Type: "RoadShow", Objects: []marketo.Object{r.Object(shape)}}
}
