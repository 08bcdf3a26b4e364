package audit

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// canonical writes a value in one way, however Marketo or PostgreSQL writes it: what
// marketo.Same calls the same has one form here. It may have one form for values
// that are not the same, too: a first look suspects too few then, but what it
// suspects is compared by marketo.Same.
func canonical(text, dataType string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	switch strings.ToLower(dataType) {
	case "integer", "float", "currency", "percent", "score":
		return canonicalNumber(text)
	case "boolean":
		if b, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
			return strconv.FormatBool(b)
		}
		return text
	case "datetime", "date":
		return canonicalMoment(text)
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if moment := canonicalMoment(text); moment != text {
		return moment
	}
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	return canonicalNumber(text)
}

func canonicalNumber(text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	if math.Abs(f) < 1e15 && f == float64(int64(f)) {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func canonicalMoment(text string) string {
	if len(text) < len(time.DateOnly) || text[4] != '-' {
		return text
	}
	if t, ok := marketo.Moment(text); ok {
		return t.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return text
}
