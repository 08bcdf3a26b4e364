package rowread

import "github.com/cdcsync/cdcsync/internal/pgoutput"

const (
	// sheaves is how many there are of one fetch, sheafBytes from how many bytes on
	// one is full.
	sheaves    = 4
	sheafBytes = 32 << 10
)

// sheaf is some rows of a result, in memory of its own.
type sheaf struct {
	bytes []byte
	// lengths are those of the values, row after row; null for NULL.
	lengths []int32
	columns int
	values  []pgoutput.Value
}

const null = -1

// add copies a row.
func (s *sheaf) add(row [][]byte) {
	s.columns = len(row)
	for _, text := range row {
		if text == nil {
			s.lengths = append(s.lengths, null)
			continue
		}
		s.bytes = append(s.bytes, text...)
		s.lengths = append(s.lengths, int32(len(text)))
	}
}

// each calls visit with every row. Its values are valid until the next one.
func (s *sheaf) each(visit func([]pgoutput.Value)) {
	at := 0
	for lengths := s.lengths; len(lengths) > 0; lengths = lengths[s.columns:] {
		s.values = s.values[:0]
		for _, n := range lengths[:s.columns] {
			if n == null {
				s.values = append(s.values, pgoutput.Value{})
				continue
			}
			s.values = append(s.values, pgoutput.Value{Kind: pgoutput.Text, Text: s.bytes[at : at+int(n) : at+int(n)]})
			at += int(n)
		}
		visit(s.values)
	}
}

func (s *sheaf) clear() { s.bytes, s.lengths = s.bytes[:0], s.lengths[:0] }
