package marketo

import (
	"strconv"
	"strings"
)

// Brief shortens Marketo's text to at most 500 bytes of whole characters.
func Brief(text []byte) string {
	return strings.ToValidUTF8(string(text[:min(len(text), 500)]), "")
}

// Said adds Marketo's text to our explanation, unless it repeats a secret or
// a value that was sent: faults are logged. Values of one or two bytes cannot
// be told from other words and are let through.
func Said(explanation string, text []byte, secrets []string, b *Batch) string {
	t := Brief(text)
	if t == "" {
		return explanation
	}
	if repeats(strings.ToLower(string(text)), secrets, b) {
		return explanation + " (Marketo's text repeats what was sent and is left out)"
	}
	return explanation + " (Marketo: " + strconv.Quote(t) + ")"
}

// Loggable returns what Marketo said of o, without its text where that repeats
// one of the object's values: a log holds no row values. The whole text is in
// the parked entry.
func (r Result) Loggable(o Object) string {
	switch {
	case r.Message == "":
		return r.Code
	case repeats(strings.ToLower(r.Message), nil, &Batch{Objects: []Object{o}}):
		return strings.TrimSpace(r.Code + " (Marketo's text repeats a value and is left out)")
	}
	if ofOurs(r.Code) {
		return r.Code + ": " + r.Message
	}
	return strings.TrimSpace(r.Code + " " + strconv.Quote(r.Message))
}

// ofOurs reports whether a code is a word of this program, whose text needs no
// quotes: Marketo's are numbers.
func ofOurs(code string) bool {
	return code != "" && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") == ""
}

func repeats(text string, secrets []string, b *Batch) bool {
	for _, s := range secrets {
		if s != "" && strings.Contains(text, strings.ToLower(s)) {
			return true
		}
	}
	if b == nil {
		return false
	}
	for _, o := range b.Objects {
		for _, v := range o.Values() {
			if len(v.Text) > 2 && strings.Contains(text, strings.ToLower(v.Text)) {
				return true
			}
		}
	}
	return false
}
