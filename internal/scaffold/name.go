package scaffold

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// folded is a name without case and underscores: what two names have in common
// that people take for one.
func folded(name string) string {
	return strings.ReplaceAll(strings.ToLower(plain(name, "")), "_", "")
}

// foldedType is folded for object types and tables, which differ by the ending of
// types that were made in Marketo, and by the plural, too.
func foldedType(name string) string {
	return strings.TrimSuffix(folded(strings.TrimSuffix(name, "_c")), "s")
}

// letters that do not fall apart into a letter and a mark.
var spelled = strings.NewReplacer("ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "Ae", "ø", "o", "Ø", "O", "œ", "oe", "Œ", "Oe", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D")

// plain keeps letters, digits, underscores and extra of a name, letters without
// their marks, and puts one underscore for a row of all else.
func plain(name, extra string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFD.String(spelled.Replace(name)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', strings.ContainsRune(extra, r):
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	return b.String()
}

// plainName is the name of a mapping for a table.
func plainName(table string) string {
	if name := plain(table, "-."); name != "" {
		return name
	}
	return "table"
}

// objectName is what a type for a table may be called: Marketo ends the names of
// types that are made on its pages in _c.
func objectName(table string) string { return begun(plain(table, ""), "t_") + "_c" }

// begun has a name begin with a letter.
func begun(name, prefix string) string {
	if name == "" {
		return prefix + "x"
	}
	if name[0] == '_' || '0' <= name[0] && name[0] <= '9' {
		return prefix + strings.TrimLeft(name, "_")
	}
	return name
}

// reserved are Marketo's own fields, in lower case.
var reserved = map[string]bool{"marketoguid": true, "createdat": true, "updatedat": true}

// fieldName is what a field for a column may be called; taken are those that
// there are, in lower case.
func fieldName(column string, taken map[string]bool) string {
	name := begun(plain(column, ""), "field_")
	if reserved[strings.ToLower(name)] {
		name = "row_" + name
	}
	return unused(name, taken)
}

// unused adds a number where a name is taken.
func unused(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[strings.ToLower(free)]; n++ {
		free = name + "_" + strconv.Itoa(n)
	}
	return free
}

// taken are the names of the fields so far, in lower case.
func (p *Proposal) taken() map[string]bool {
	taken := map[string]bool{}
	for _, lines := range [][]Line{p.Key, p.Attributes} {
		for _, l := range lines {
			taken[strings.ToLower(l.Attribute)] = true
		}
	}
	return taken
}
