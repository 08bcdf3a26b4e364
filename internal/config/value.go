package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

// text reads a text and expands it. Mistakes show the value as the file has
// it, never what a variable held.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		hint := "; text is expected"
		switch {
		case n.Kind != yaml.ScalarNode:
		case n.Tag == "!!null":
			hint = "; give a value, or leave the key out"
		default:
			hint = "; text is expected, so write it in quotes"
		}
		d.at(n, path, "is "+kindOf(n)+hint)
		return "", false
	}
	expanded, mistake := expand(n.Value, d.getenv)
	if mistake != "" {
		d.at(n, path, mistake)
		return "", false
	}
	return expanded, true
}

// filled reads a text that may not be empty.
func (d *decoder) filled(n *yaml.Node, path string) (string, bool) {
	s, ok := d.text(n, path)
	if ok && strings.TrimSpace(s) == "" {
		d.at(n, path, "is empty; give a value")
		return "", false
	}
	return s, ok
}

// textOf makes a reader for a text that check accepts; check returns
// what is wrong, "" for nothing.
func textOf(into *string, check func(string) string) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s, ok := d.filled(n, path)
		if !ok {
			return
		}
		if wrong := check(s); wrong != "" {
			d.at(n, path, "is "+shown(n.Value)+"; "+wrong)
			return
		}
		*into = s
	}, anyText}
}

// mostShown is the most characters of a value that a mistake shows.
const mostShown = 80

// shown quotes a value for a mistake. What may be a URL or pair with a password,
// and stands in the wrong place, is not shown.
func shown(s string) string {
	if strings.ContainsAny(s, "@=") {
		return "a value that is not shown here"
	}
	if r := []rune(s); len(r) > mostShown {
		s = string(r[:mostShown]) + "…"
	}
	return strconv.Quote(s)
}

// anything accepts every text; others check it.
func anything(string) string { return "" }

// oneOf makes a reader for a word out of few.
func oneOf[T any](into *T, allowed []string, values []T) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s, ok := d.text(n, path)
		if !ok {
			return
		}
		if i := slices.Index(allowed, s); i >= 0 {
			*into = values[i]
			return
		}
		d.at(n, path, "is "+shown(n.Value)+spelling.Hint(s, allowed)+"; allowed are "+strings.Join(allowed, ", "))
	}, words(allowed...)}
}

// boolean makes a reader for true or false.
func boolean(into *bool) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s := n.Value
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			var ok bool
			if s, ok = d.text(n, path); !ok {
				return
			}
		}
		if n.Kind != yaml.ScalarNode || s != "true" && s != "false" {
			d.at(n, path, "is "+found(n)+"; allowed are true and false")
			return
		}
		*into = s == "true"
	}, truth}
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)

// whole makes a reader for a whole number from least to most.
func whole(into *int, least, most int) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s, ok := d.numeral(n, path)
		if !ok {
			return
		}
		v, err := strconv.Atoi(s)
		if !decimal.MatchString(s) || err != nil || v < least || v > most {
			d.at(n, path, fmt.Sprintf("is %s; allowed are whole numbers from %d to %d", found(n), least, most))
			return
		}
		*into = v
	}, wholeNumbers(least, most)}
}

// fraction makes a reader for a number from least to most.
func fraction(into *float64, least, most float64) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s, ok := d.numeral(n, path)
		if !ok {
			return
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= least && v <= most) {
			d.at(n, path, fmt.Sprintf("is %s; allowed is a number from %g to %g", found(n), least, most))
			return
		}
		*into = v
	}, numbers(least, most)}
}

// numeral reads the text of a number, which may come from a variable.
func (d *decoder) numeral(n *yaml.Node, path string) (string, bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.Contains(n.Value, "$") {
		return d.text(n, path)
	}
	if n.Kind == yaml.ScalarNode && n.Tag != "!!str" {
		return n.Value, true
	}
	return "", true
}

// found shows what a node holds, for mistakes.
func found(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return kindOf(n)
	}
	return shown(n.Value)
}

// duration makes a reader for a duration from least to most.
func duration(into *time.Duration, least, most time.Duration) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
			d.at(n, path, "is "+found(n)+", which has no unit; write for example "+n.Value+"s")
			return
		}
		s, ok := d.text(n, path)
		if !ok {
			return
		}
		v, err := time.ParseDuration(s)
		if err != nil || v < least || v > most {
			d.at(n, path, fmt.Sprintf("is %s; allowed are durations from %s to %s, written 500ms, 30s or 5m", found(n), short(least), short(most)))
			return
		}
		*into = v
	}, durations}
}

// short writes a duration without the zero parts that end it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var units = map[string]int{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// size makes a reader for a number of bytes from least to most.
func size(into *int, least, most int) reader {
	return reader{func(d *decoder, n *yaml.Node, path string) {
		s := n.Value
		if n.Tag == "!!str" {
			var ok bool
			if s, ok = d.text(n, path); !ok {
				return
			}
		}
		digits := strings.TrimRight(s, "BKMGi")
		unit, known := units[s[len(digits):]]
		v, err := strconv.Atoi(digits)
		if n.Kind != yaml.ScalarNode || !decimal.MatchString(digits) || err != nil || !known || v > most/unit || v*unit < least {
			d.at(n, path, fmt.Sprintf("is %s; allowed are sizes from %s to %s, written 32MiB or 500KB", found(n), bytesText(least), bytesText(most)))
			return
		}
		*into = v * unit
	}, sizes}
}

func bytesText(n int) string {
	if n >= 1<<30 {
		return strconv.Itoa(n>>30) + "GiB"
	}
	return strconv.Itoa(n>>20) + "MiB"
}
