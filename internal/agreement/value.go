package agreement

import (
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// keyOf names an object by its key. No text of PostgreSQL holds a zero byte.
func keyOf(o marketo.Object) string {
	var b strings.Builder
	for i := range o.Shape.Key {
		b.WriteString(moment(o.Value(i).Text) + "\x00")
	}
	return b.String()
}

// moment writes a date and time in one way, whatever its offset; other texts
// stay as they are.
func moment(text string) string {
	if len(text) < len(time.DateOnly)+1 || text[len(time.DateOnly)] != 'T' {
		return text
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.UTC().Format(time.RFC3339)
}

func keyFields(o marketo.Object) []string {
	fields := make([]string, len(o.Shape.Key))
	for i, name := range o.Shape.Key {
		fields[i] = name + "=" + o.Value(i).Text
	}
	return fields
}

// bare is an object of which only the key is known.
func bare(shape *marketo.Shape, fields map[string]string) marketo.Object {
	values := make([]marketo.Value, len(shape.Key))
	for i, name := range shape.Key {
		values[i] = marketo.Value{Kind: marketo.String, Text: fields[name]}
	}
	return marketo.NewObject(shape, values)
}

// differ returns the attributes of want that object does not have so.
func differ(want marketo.Object, object map[string]string) []Attribute {
	var differences []Attribute
	for i := len(want.Shape.Key); i < want.Len(); i++ {
		name, v := want.Shape.Name(i), want.Value(i)
		if v.Kind == marketo.Omitted || same(v, object[name]) {
			continue
		}
		differences = append(differences, Attribute{Name: name, Want: v.Text, Got: object[name]})
	}
	return differences
}

// same reports whether Marketo stores want as got: numbers lose the zeros that
// end a fraction, moments move to UTC, and the empty text is null.
func same(want marketo.Value, got string) bool {
	switch {
	case want.Text == got:
		return true
	case want.Text == "" || got == "":
		return false
	case want.Kind == marketo.Number:
		return decimal(want.Text) == decimal(got)
	case want.Kind == marketo.String:
		return moment(want.Text) == moment(got)
	}
	return false
}

// decimal writes a number in one way: without an exponent, and without zeros
// that end a fraction.
func decimal(text string) string {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		return "0"
	}
	return text
}
