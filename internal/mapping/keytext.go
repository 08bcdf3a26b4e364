package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// KeyText writes the values of a row's key columns as commands take them: one value
// as it is, several with commas between them, or as a JSON array of strings where
// that could be read in another way.
func KeyText(values []string) string {
	text := strings.Join(values, ",")
	if len(values) == 1 || !strings.HasPrefix(text, "[") && !slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, ",") }) {
		return text
	}
	array, _ := json.Marshal(values)
	return string(array)
}

// ParseKeyText reads what KeyText writes, as the values of these columns.
func ParseKeyText(columns []string, text string) ([]string, error) {
	if len(columns) == 1 {
		return []string{text}, nil
	}
	var values []string
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &values) != nil {
		values = strings.Split(text, ",")
	}
	if len(values) != len(columns) {
		return nil, Unknown(fmt.Sprintf(`%q is no key of %s: give %d values with commas between them, or, where one has a comma in it, as ["…","…"]`, text, strings.Join(columns, ", "), len(columns)))
	}
	return values, nil
}
