package mapping

import "github.com/cdcsync/cdcsync/internal/marketo"

const (
	reasonNotFinite = "is not a finite number, which Marketo cannot hold; correct the value"
	reasonNotText   = "is not in the text format of its type; report this with the column's type"
)

// appendBoolean renders PostgreSQL's t and f.
func appendBoolean(dst, text []byte) ([]byte, marketo.Kind, string) {
	if len(text) == 1 {
		switch text[0] {
		case 't':
			return append(dst, "true"...), marketo.Boolean, ""
		case 'f':
			return append(dst, "false"...), marketo.Boolean, ""
		}
	}
	return dst, marketo.Omitted, reasonNotText
}

func appendInteger(dst, text []byte) ([]byte, marketo.Kind, string) {
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 || countDigits(digits) != len(digits) {
		return dst, marketo.Omitted, reasonNotText
	}
	return append(dst, text...), marketo.Number, ""
}

// appendNumber renders a numeric or a float: exactly the digits that
// PostgreSQL gave, which are a JSON number unless the value is not finite.
func appendNumber(dst, text []byte) ([]byte, marketo.Kind, string) {
	if isNumber(text) {
		return append(dst, text...), marketo.Number, ""
	}
	switch string(text) {
	case "NaN", "Infinity", "-Infinity":
		return dst, marketo.Omitted, reasonNotFinite
	}
	return dst, marketo.Omitted, reasonNotText
}

// trimFraction cuts the zeros that end a fraction: 1.50 and 1.5 are equal
// numerics, and must be one key.
func trimFraction(text []byte) []byte {
	point := -1
	for i, c := range text {
		if c == '.' {
			point = i
		}
	}
	if point < 0 || countDigits(text[point+1:]) != len(text)-point-1 {
		return text
	}
	end := len(text)
	for text[end-1] == '0' {
		end--
	}
	if end-1 == point {
		end = point
	}
	return text[:end]
}

// isNumber reports whether text is a number of the JSON grammar (RFC 8259 §6).
func isNumber(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	n := countDigits(text)
	if n == 0 || n > 1 && text[0] == '0' {
		return false
	}
	text = text[n:]
	if len(text) > 0 && text[0] == '.' {
		n = countDigits(text[1:])
		if n == 0 {
			return false
		}
		text = text[1+n:]
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		n = countDigits(text)
		return n > 0 && n == len(text)
	}
	return len(text) == 0
}

// countDigits returns the number of digits that text begins with.
func countDigits(text []byte) int {
	for i, c := range text {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(text)
}
