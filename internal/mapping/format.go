package mapping

import (
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// formatKind says how the text of a PostgreSQL value becomes Marketo's.
type formatKind uint8

const (
	asText        formatKind = iota
	asBlankPadded            // char(n): the padding is no part of the value
	asBoolean
	asInteger
	asNumeric
	asFloat
	asDate
	asTimestamp     // without time zone, read as UTC
	asTimestampZone // with time zone
	asJSON
	asArray
	asBytes // refused
	asMoney // refused
)

// format is how the values of one column are rendered.
type format struct {
	kind formatKind
	// element and delimiter are those of an array.
	element   formatKind
	delimiter byte
	// key is set where equal keys have equal texts, so that the type may be
	// part of a key.
	key bool
	// inKey asks for the one text that all equal values share, and refuses a
	// loss that would make two keys one.
	inKey bool
}

// pgType describes a type of pg_catalog.
type pgType struct {
	oid, array uint32
	name       string
	kind       formatKind
	key        bool
}

// builtins lists pg_catalog's types with their array types. OIDs of built-in
// types are fixed: PostgreSQL, src/include/catalog/pg_type.dat. A built-in
// type that is not listed is text, and not fit for a key.
var builtins = []pgType{
	{16, 1000, "bool", asBoolean, true},
	{17, 1001, "bytea", asBytes, false},
	{18, 1002, "char", asText, true},
	{19, 1003, "name", asText, true},
	{20, 1016, "int8", asInteger, true},
	{21, 1005, "int2", asInteger, true},
	{23, 1007, "int4", asInteger, true},
	{25, 1009, "text", asText, true},
	{26, 1028, "oid", asInteger, true},
	{114, 199, "json", asJSON, false},
	{142, 143, "xml", asText, false},
	{600, 1017, "point", asText, false},
	{601, 1018, "lseg", asText, false},
	{602, 1019, "path", asText, false},
	{603, 1020, "box", asText, false},
	{604, 1027, "polygon", asText, false},
	{628, 629, "line", asText, false},
	{650, 651, "cidr", asText, true},
	{700, 1021, "float4", asFloat, false},
	{701, 1022, "float8", asFloat, false},
	{718, 719, "circle", asText, false},
	{774, 775, "macaddr8", asText, true},
	{790, 791, "money", asMoney, false},
	{829, 1040, "macaddr", asText, true},
	{869, 1041, "inet", asText, true},
	{1042, 1014, "bpchar", asBlankPadded, true},
	{1043, 1015, "varchar", asText, true},
	{1082, 1182, "date", asDate, true},
	{1083, 1183, "time", asText, true},
	{1114, 1115, "timestamp", asTimestamp, true},
	{1184, 1185, "timestamptz", asTimestampZone, true},
	{1186, 1187, "interval", asText, false},
	{1266, 1270, "timetz", asText, false},
	{1560, 1561, "bit", asText, true},
	{1562, 1563, "varbit", asText, true},
	{1700, 1231, "numeric", asNumeric, true},
	{2950, 2951, "uuid", asText, true},
	{3220, 3221, "pg_lsn", asText, true},
	{3614, 3643, "tsvector", asText, false},
	{3615, 3645, "tsquery", asText, false},
	{3802, 3807, "jsonb", asJSON, false},
	{3904, 3905, "int4range", asText, false},
	{3906, 3907, "numrange", asText, false},
	{3908, 3909, "tsrange", asText, false},
	{3910, 3911, "tstzrange", asText, false},
	{3912, 3913, "daterange", asText, false},
	{3926, 3927, "int8range", asText, false},
	{4072, 4073, "jsonpath", asText, false},
	{4451, 6150, "int4multirange", asText, false},
	{4532, 6151, "nummultirange", asText, false},
	{4533, 6152, "tsmultirange", asText, false},
	{4534, 6153, "tstzmultirange", asText, false},
	{4535, 6155, "datemultirange", asText, false},
	{4536, 6157, "int8multirange", asText, false},
	{5069, 271, "xid8", asText, true},
}

// Below firstUserOID all types are PostgreSQL's own.
// Source: PostgreSQL, src/include/access/transam.h, FirstNormalObjectId.
const firstUserOID = 16384

// formatOf returns the format and the name of a type; false when the type is
// not known and typeName does not know it either.
func formatOf(oid uint32, typeName func(uint32) (replication.TypeName, bool)) (f format, name string, ok bool) {
	for _, t := range builtins {
		if t.oid == oid || t.array == oid {
			f, name = t.format(t.array == oid)
			return f, name, true
		}
	}
	if typeName != nil {
		if n, ok := typeName(oid); ok {
			f, name = formatNamed(n)
			return f, name, true
		}
	}
	return format{kind: asText}, "", oid < firstUserOID
}

// formatNamed returns the format of a type that the stream names: the base
// type of a domain, or a type of the user's own such as an enum. An empty
// schema stands for pg_catalog.
func formatNamed(n replication.TypeName) (format, string) {
	name, array := strings.CutPrefix(n.Name, "_")
	if n.Schema == "" || n.Schema == "pg_catalog" {
		for _, t := range builtins {
			if t.name == name {
				return t.format(array)
			}
		}
	}
	if array {
		// PostgreSQL names the array type of t _t.
		return format{kind: asArray, element: asText, delimiter: ','}, n.Name
	}
	return format{kind: asText, key: true}, n.Name
}

func (t pgType) format(array bool) (format, string) {
	if !array {
		return format{kind: t.kind, key: t.key}, t.name
	}
	f := format{kind: asArray, element: t.kind, delimiter: ','}
	if t.name == "box" {
		f.delimiter = ';'
	}
	return f, t.name + "[]"
}

// refusal says what to do about a column whose type has no text form that
// Marketo could use; "" where it has one.
func (f *format) refusal() string {
	kind := f.kind
	if kind == asArray {
		kind = f.element
	}
	switch kind {
	case asBytes:
		return "binary data has no place in a custom object; leave the column out, or add a text column with an encoded form and map that"
	case asMoney:
		return "the text of money depends on the server's locale; change the column to numeric, or add a numeric column and map that"
	}
	return ""
}

// plain reports whether all texts of the format are marketo.Plain.
func (f *format) plain() bool {
	switch f.kind {
	case asDate, asTimestamp, asTimestampZone:
		return true
	}
	return false
}

// append renders text, the value in PostgreSQL's text format. A reason other
// than "" says why it cannot be rendered and completes the sentence `column
// "x" …`; it holds nothing of the value, and then what was appended is void.
func (f *format) append(dst, text []byte) (out []byte, kind marketo.Kind, reason string) {
	switch f.kind {
	case asBoolean:
		return appendBoolean(dst, text)
	case asInteger:
		return appendInteger(dst, text)
	case asNumeric:
		if f.inKey {
			text = trimFraction(text)
		}
		return appendNumber(dst, text)
	case asFloat:
		return appendNumber(dst, text)
	case asDate:
		return appendDate(dst, text)
	case asTimestamp, asTimestampZone:
		return appendTimestamp(dst, text, f.kind == asTimestampZone, f.inKey)
	case asArray:
		return appendArray(dst, text, f)
	case asBlankPadded:
		for len(text) > 0 && text[len(text)-1] == ' ' {
			text = text[:len(text)-1]
		}
	}
	return append(dst, text...), marketo.String, ""
}
