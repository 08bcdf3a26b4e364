package mapping

import (
	"bytes"
	"cmp"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	reasonInfinite  = "is an infinite date, which Marketo cannot hold; correct the value"
	reasonYear      = "has a year before 0001 or after 9999, which Marketo cannot hold; correct the value"
	reasonStyle     = "is not in ISO style; the connection must use datestyle=ISO and timezone=UTC"
	reasonSubSecond = "has a fraction of a second, which Marketo drops, so that two keys would become one; use another key or timestamp(0)"
)

// appendDate renders a date, YYYY-MM-DD in both worlds.
func appendDate(dst, text []byte) ([]byte, marketo.Kind, string) {
	if reason := checkDate(text); reason != "" {
		return dst, marketo.Omitted, reason
	}
	if len(text) != len("2006-01-02") {
		return dst, marketo.Omitted, beyond(text[len("2006-01-02"):])
	}
	return append(dst, text...), marketo.String, ""
}

// appendTimestamp renders a timestamp as W3C does, with seconds and offset:
// 2024-02-29T12:00:00+00:00. Fractions of a second are dropped, as Marketo
// would drop them, unless whole asks for an error instead. Without a zone the
// value is read as UTC.
func appendTimestamp(dst, text []byte, zone, whole bool) ([]byte, marketo.Kind, string) {
	const date, moment = len("2006-01-02"), len("2006-01-02 15:04:05")
	if !beginsWithMoment(text) {
		return dst, marketo.Omitted, cmp.Or(checkDate(text), reasonStyle)
	}
	rest := text[moment:]
	if len(rest) > 0 && rest[0] == '.' {
		n := 1 + countDigits(rest[1:])
		if whole && len(bytes.Trim(rest[1:n], "0")) > 0 {
			return dst, marketo.Omitted, reasonSubSecond
		}
		rest = rest[n:]
	}
	offset := []byte("+00:00")
	if zone {
		n := offsetLength(rest)
		if n == 0 {
			return dst, marketo.Omitted, reasonStyle
		}
		copy(offset, rest[:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return dst, marketo.Omitted, beyond(rest)
	}
	dst = append(dst, text[:date]...)
	dst = append(dst, 'T')
	dst = append(dst, text[date+1:moment]...)
	return append(dst, offset...), marketo.String, ""
}

// checkDate checks that text begins with a date of the years 0001 to 9999.
func checkDate(text []byte) string {
	if string(text) == "infinity" || string(text) == "-infinity" {
		return reasonInfinite
	}
	year := countDigits(text)
	if year > 4 && year < len(text) && text[year] == '-' {
		return reasonYear
	}
	if year != 4 || len(text) < len("2006-01-02") || text[4] != '-' || text[7] != '-' ||
		countDigits(text[5:7]) != 2 || countDigits(text[8:10]) != 2 {
		return reasonStyle
	}
	return ""
}

// beyond is the reason for what stands after the value: " BC" is a year
// before 0001, all else another style.
func beyond(rest []byte) string {
	if string(rest) == " BC" {
		return reasonYear
	}
	return reasonStyle
}

// beginsWithMoment reports whether text begins as 2006-01-02 15:04:05 does.
func beginsWithMoment(text []byte) bool {
	const form = "0000-00-00 00:00:00"
	if len(text) < len(form) {
		return false
	}
	for i, c := range text[:len(form)] {
		if form[i] == '0' && c-'0' > 9 || form[i] != '0' && c != form[i] {
			return false
		}
	}
	return true
}

// offsetLength returns the length of the offset that text begins with, +05 or
// +05:30; 0 when there is none, or one with seconds, which W3C cannot write.
func offsetLength(text []byte) int {
	if len(text) < 3 || text[0] != '+' && text[0] != '-' || countDigits(text[1:]) != 2 {
		return 0
	}
	if len(text) == 3 || text[3] != ':' {
		return 3
	}
	if len(text) < 6 || countDigits(text[4:]) != 2 || len(text) > 6 && text[6] == ':' {
		return 0
	}
	return 6
}

// parseTimestamp reads a timestamp for an expression, fractions included.
func parseTimestamp(text []byte, zone bool) (time.Time, bool) {
	layout := "2006-01-02 15:04:05.999999"
	s := string(text)
	if zone {
		layout += "Z07"
		if len(s) > 3 && s[len(s)-3] == ':' {
			layout += ":00"
		}
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// appendTime renders a time that an expression gave.
func appendTime(dst []byte, t time.Time) ([]byte, marketo.Kind, string) {
	if t.Year() < 1 || t.Year() > 9999 {
		return dst, marketo.Omitted, reasonYear
	}
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05-07:00"), marketo.String, ""
}

// appendFloat renders a number that an expression gave as JavaScript writes
// it: no exponent where digits will do.
func appendFloat(dst []byte, v float64) []byte {
	layout := byte('f')
	if abs := max(v, -v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		layout = 'e'
	}
	return strconv.AppendFloat(dst, v, layout, -1, 64)
}
