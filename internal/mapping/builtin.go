package mapping

// pgType describes a type of pg_catalog.
type pgType struct {
	oid, array uint32
	name       string
	kind       formatKind
	key        bool
}

// builtins lists pg_catalog's types with their array types. OIDs of built-in
// types below pgoutput.FixedOIDs never change: PostgreSQL,
// src/include/catalog/pg_type.dat. One that is not listed is younger than this
// list: text, and not fit for a key.
var builtins = []pgType{
	{16, 1000, "bool", asBoolean, true},
	{17, 1001, "bytea", asBytes, false},
	{18, 1002, "char", asText, true},
	{19, 1003, "name", asText, true},
	{20, 1016, "int8", asInteger, true},
	{21, 1005, "int2", asInteger, true},
	{22, 1006, "int2vector", asText, false},
	{23, 1007, "int4", asInteger, true},
	{24, 1008, "regproc", asText, false},
	{25, 1009, "text", asText, true},
	{26, 1028, "oid", asInteger, true},
	{27, 1010, "tid", asText, false},
	{28, 1011, "xid", asInteger, false},
	{29, 1012, "cid", asInteger, false},
	{30, 1013, "oidvector", asText, false},
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
	{1033, 1034, "aclitem", asText, false},
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
	{1790, 2201, "refcursor", asText, false},
	{2202, 2207, "regprocedure", asText, false},
	{2203, 2208, "regoper", asText, false},
	{2204, 2209, "regoperator", asText, false},
	{2205, 2210, "regclass", asText, false},
	{2206, 2211, "regtype", asText, false},
	{2950, 2951, "uuid", asText, true},
	{2970, 2949, "txid_snapshot", asText, false},
	{3220, 3221, "pg_lsn", asText, true},
	{3614, 3643, "tsvector", asText, false},
	{3615, 3645, "tsquery", asText, false},
	{3734, 3735, "regconfig", asText, false},
	{3769, 3770, "regdictionary", asText, false},
	{3802, 3807, "jsonb", asJSON, false},
	{3904, 3905, "int4range", asText, false},
	{3906, 3907, "numrange", asText, false},
	{3908, 3909, "tsrange", asText, false},
	{3910, 3911, "tstzrange", asText, false},
	{3912, 3913, "daterange", asText, false},
	{3926, 3927, "int8range", asText, false},
	{4072, 4073, "jsonpath", asText, false},
	{4089, 4090, "regnamespace", asText, false},
	{4096, 4097, "regrole", asText, false},
	{4191, 4192, "regcollation", asText, false},
	{4451, 6150, "int4multirange", asText, false},
	{4532, 6151, "nummultirange", asText, false},
	{4533, 6152, "tsmultirange", asText, false},
	{4534, 6153, "tstzmultirange", asText, false},
	{4535, 6155, "datemultirange", asText, false},
	{4536, 6157, "int8multirange", asText, false},
	{5038, 5039, "pg_snapshot", asText, false},
	{5069, 271, "xid8", asText, true},
}

// format returns the format and the name of t, or of arrays of it.
func (t pgType) format(array bool) (format, string) {
	f := format{kind: t.kind, key: t.key}
	if !array {
		return f, t.name
	}
	delimiter := byte(',')
	if t.name == "box" {
		delimiter = ';'
	}
	return format{kind: asArray, element: &f, delimiter: delimiter}, t.name + "[]"
}
