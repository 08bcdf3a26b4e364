package config

import (
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${VAR} by its value and $$ by a dollar sign; any other
// dollar sign stands for itself. The text of a mistake is "" when all is well.
func expand(text string, getenv func(string) (string, bool)) (expanded, mistake string) {
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '$')
		if at < 0 || at == len(text)-1 {
			b.WriteString(text)
			return b.String(), ""
		}
		b.WriteString(text[:at])
		text = text[at:]
		switch text[1] {
		case '$':
			b.WriteByte('$')
			text = text[2:]
		case '{':
			name, rest, closed := strings.Cut(text[2:], "}")
			if !closed || !variable.MatchString(name) {
				return "", "has ${ without a name and a closing }; write ${NAME}, or $$ for a dollar sign"
			}
			value, ok := getenv(name)
			if !ok {
				return "", "refers to ${" + name + "}, which is not set in the environment; set it, or write the value in another way"
			}
			b.WriteString(value)
			text = rest
		default:
			b.WriteByte('$')
			text = text[1:]
		}
	}
}

// conventional is how variables are named. A secret's mistake names no other:
// it may be a part of the secret that happens to have a ${.
var conventional = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// conceal takes the name out of the mistake of a secret's expansion where it
// may be none.
func conceal(mistake string) string {
	name, found := strings.CutPrefix(mistake, "refers to ${")
	name, _, _ = strings.Cut(name, "}")
	if !found || conventional.MatchString(name) {
		return mistake
	}
	return "refers to a variable that is not set in the environment; set it, or write $$ for a dollar sign"
}
