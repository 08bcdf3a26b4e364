package conninfo

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_.]{1,40}$`)

const blanks = " \t\n\r\v\f"

var (
	errNoEquals = errors.New(`has a word without =; put a value with blanks into single quotes, and write ' and \ in it as \' and \\`)
	errNoQuote  = errors.New(`has a single quote that does not end; write ' and \ in a value as \' and \\`)
)

// readPairs reads libpq's key=value form.
func (i *Info) readPairs(text string) error {
	// What follows a secret may be part of it: of one with a blank and without
	// quotes, or with a quote in it.
	afterSecret := false
	n := 0
	for rest := strings.TrimLeft(text, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimRight(name, blanks)
		if !ok || name == "" || strings.ContainsAny(name, blanks) {
			return errNoEquals
		}
		after = strings.TrimLeft(after, blanks)
		quoted := strings.HasPrefix(after, "'")
		value, next, ok := readValue(after)
		if !ok {
			return errNoQuote
		}
		n++
		word, known := keywords[name]
		if !known {
			if err := i.check(); err != nil {
				return err // and what follows a value that is wrong may be part of it
			}
			return unknown(name, n, !afterSecret && len(i.values) > 0)
		}
		if name == "user" && !quoted && strings.Contains(value, ":") {
			return errors.New("has a : in user; give what stands behind it with a key word of its own, or put the user into single quotes")
		}
		afterSecret = afterSecret || word.secret
		i.set(name, value)
		rest = next
	}
	return nil
}

// readValue reads one value and returns what follows it.
func readValue(s string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '\\' && !quoted: // at the end it stands for nothing
		case quoted && c == '\'':
			return b.String(), s[i+1:], true
		case !quoted && strings.IndexByte(blanks, c) >= 0:
			return b.String(), s[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// nearest is the key word of libpq that name may have been meant to be.
func nearest(name string) string {
	return spelling.Nearest(name, slices.Sorted(maps.Keys(keywords)))
}
