// Package spelling finds the name somebody meant. It serves the hints in
// error messages and decides nothing.
package spelling

import "strings"

// Nearest returns the name that differs least from word, or "" when none is
// near: at most one edit in three letters, swapped neighbours count once, and
// case does not count. Of equals the first wins.
func Nearest(word string, names []string) string {
	best, least := "", len(word)/3+1
	if len(word) > 64 {
		return ""
	}
	for _, name := range names {
		if len(name) > 64 {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// Hint returns `; did you mean "x"?` for the nearest name, or "".
func Hint(word string, names []string) string {
	if near := Nearest(word, names); near != "" {
		return `; did you mean "` + near + `"?`
	}
	return ""
}

// distance is the optimal string alignment distance of a and b in bytes.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
