package preflight

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// family groups the types of columns, and of fields, by what their values
// look like.
type family uint8

const (
	textual family = iota
	integer
	decimal
	floating
	boolean
	date
	datetime
	structured
)

// families are those of pg_type's names; all others are words.
var families = map[string]family{
	"int2": integer, "int4": integer, "int8": integer, "oid": integer,
	"numeric": decimal, "float4": floating, "float8": floating, "bool": boolean,
	"date": date, "timestamp": datetime, "timestamptz": datetime, "json": structured, "jsonb": structured,
}

func familyOf(c *catalog.TableColumn) family {
	if c.Array {
		return structured
	}
	return families[c.BuiltIn()]
}

// fields are Marketo's data types, in lower case; what is not here is not
// judged.
var fields = map[string]family{
	"string": textual, "text": textual, "email": textual, "phone": textual, "link": textual, "url": textual,
	"integer": integer, "float": floating, "currency": floating, "boolean": boolean, "date": date, "datetime": datetime,
}

// CompareColumn says how the values of a column fit a field: Fail when none would
// be accepted, Warn when some may not be or lose something; "" when all fit.
func CompareColumn(c *catalog.TableColumn, f *marketo.Field) (Level, string) {
	target, known := fields[strings.ToLower(f.DataType)]
	if !known {
		return OK, ""
	}
	from := familyOf(c)
	says := func(level Level, what string) (Level, string) {
		return level, fmt.Sprintf("column %s is %s and the field %s: %s", c.Name, c.Formatted, f.DataType, what)
	}
	switch {
	case target == textual:
		return compareLength(c, f, says)
	case from == target:
		return OK, ""
	case from == textual && target == boolean:
		return says(Warn, "t, true, y, yes, on and 1 are sent as true, their opposites as false, any other text is refused")
	case from == textual && (target == integer || target == floating):
		return says(Warn, "a text that is a number is sent as one, any other is refused")
	case from == textual:
		return says(Warn, "a text that is none of that type is refused")
	case target == integer && from == decimal && scaleOf(c) == 0:
		return OK, ""
	case target == integer && (from == decimal || from == floating):
		return says(Warn, "a value with a fraction is refused")
	case target == floating && from == integer:
		if c.BuiltIn() == "int8" {
			return says(Warn, "of more than 15 digits the last may be lost")
		}
		return OK, ""
	case target == floating && from == decimal:
		if p := precisionOf(c); p > 0 && p <= 15 {
			return OK, ""
		}
		return says(Warn, "of more than 15 digits the last may be lost")
	case target == date && from == datetime, target == datetime && from == date:
		return says(Warn, "Marketo may refuse a date with a time where it wants none, or without one where it wants one")
	case target == boolean && from == integer:
		return says(Warn, "0 and 1 are sent as false and true, anything else is refused")
	}
	return says(Fail, "no value would be accepted")
}

// compareLength judges columns that become text.
func compareLength(c *catalog.TableColumn, f *marketo.Field, says func(Level, string) (Level, string)) (Level, string) {
	most := limit(c)
	switch {
	case f.Length == 0 || most > 0 && most <= f.Length:
		return OK, ""
	case most > 0, familyOf(c) == structured:
		return says(Warn, fmt.Sprintf("a value of more than %d characters is refused", f.Length))
	case c.BuiltIn() == "text" || c.BuiltIn() == "varchar":
		return says(OK, fmt.Sprintf("a value of more than %d characters is refused", f.Length))
	}
	return OK, ""
}

// modifierHeader is what PostgreSQL adds to the lengths it keeps as a type
// modifier (VARHDRSZ).
const modifierHeader = 4

// limit is the most characters of a varchar(n) or char(n); 0 when it has none.
func limit(c *catalog.TableColumn) int {
	if (c.BuiltIn() == "varchar" || c.BuiltIn() == "bpchar") && c.Modifier > modifierHeader {
		return int(c.Modifier - modifierHeader)
	}
	return 0
}

// precisionOf is the digits of a numeric(p, s); 0 when it has no limit.
func precisionOf(c *catalog.TableColumn) int {
	if c.Modifier < modifierHeader {
		return 0
	}
	return int(c.Modifier-modifierHeader) >> 16 & 0xffff
}

// scaleOf is the digits after the point of a numeric(p, s); -1 when it has no
// limit. A negative scale, which PostgreSQL 15 allows, counts as none.
func scaleOf(c *catalog.TableColumn) int {
	if c.Modifier < modifierHeader {
		return -1
	}
	const bits = 11 // the scale is a signed number of 11 bits
	scale := int(c.Modifier-modifierHeader) & (1<<bits - 1)
	if scale >= 1<<(bits-1) {
		return 0
	}
	return scale
}

// compareConstant judges a value that is the same for every row.
func compareConstant(v marketo.Value, f *marketo.Field) (Level, string) {
	if problem := CompareValue(v, f); problem != "" {
		return Fail, "the constant " + problem
	}
	return OK, ""
}

// CompareValue says why Marketo will not take a value in a field; "" where nothing
// is known against it. It does not repeat the value.
func CompareValue(v marketo.Value, f *marketo.Field) string {
	target, known := fields[strings.ToLower(f.DataType)]
	if !known || v.Kind == marketo.Null || v.Kind == marketo.Omitted {
		return ""
	}
	var err error
	switch target {
	case textual:
		if f.Length > 0 && utf8.RuneCountInString(v.Text) > f.Length {
			return fmt.Sprintf("has more than the %d characters of the field", f.Length)
		}
	case integer:
		_, err = strconv.ParseInt(v.Text, 10, 64)
	case floating:
		_, err = strconv.ParseFloat(v.Text, 64)
	case boolean:
		if v.Text != "true" && v.Text != "false" && v.Text != "0" && v.Text != "1" {
			err = strconv.ErrSyntax
		}
	case date:
		_, err = time.Parse(time.DateOnly, v.Text)
	case datetime:
		_, err = time.Parse(time.RFC3339, v.Text)
	}
	if err != nil {
		return "is no value of the field's type " + f.DataType
	}
	return ""
}
