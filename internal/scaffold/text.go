package scaffold

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

var plainIdentifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// tableText names a table as SQL does, for the key table.
func tableText(schema, table string) string {
	quote := func(s string) string {
		if plainIdentifier.MatchString(s) {
			return s
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return quote(schema) + "." + quote(table)
}

// Scalar writes a text as a value of the configuration: as YAML in one line,
// with what the configuration would replace written so that it stays.
func Scalar(text string) string { return literal(strings.ReplaceAll(text, "$", "$$")) }

// literal is Scalar for what the configuration does not replace, such as keys.
func literal(text string) string {
	var value any = text
	if !printable(text) {
		value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
	}
	written, err := yaml.Marshal(value)
	if err != nil || strings.Count(string(written), "\n") > 1 {
		return strconv.Quote(text)
	}
	return strings.TrimSuffix(string(written), "\n")
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// inComment makes text of others harmless in a comment: it stays in its line.
func inComment(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// width is how long a line of a comment gets.
const width = 110

// comment writes text as lines of a comment.
func comment(indent, text string) string {
	var b strings.Builder
	line := indent + "#"
	for word := range strings.FieldsSeq(inComment(text)) {
		if len(line) > len(indent)+1 && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}
