package simulator

import "encoding/binary"

// A row is the stored form of an object: for each column the length of its
// value as a uvarint and the value; length zero is null. Null columns at the
// end are left out, so that equal objects have equal rows whatever the width
// of the schema that wrote them.

// appendRow appends the row of values to dst.
func appendRow(dst []byte, values []string) []byte {
	width := len(values)
	for width > 0 && values[width-1] == "" {
		width--
	}
	for _, value := range values[:width] {
		dst = binary.AppendUvarint(dst, uint64(len(value)))
		dst = append(dst, value...)
	}
	return dst
}

// readRow fills values, one per column, from row. Values alias row.
func readRow(row string, values []string) {
	for i := range values {
		values[i] = ""
		if row == "" {
			continue
		}
		length, used := 0, 0
		for shift := 0; ; shift += 7 {
			b := row[used]
			used++
			length |= int(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		values[i], row = row[used:used+length], row[used+length:]
	}
}
