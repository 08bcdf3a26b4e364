package demo

import (
	"fmt"
	"strings"
)

// What the shop's rows are made of. It holds characters that XML and JSON
// write differently, and some beyond the basic plane.
var (
	firstNames = []string{"Ada", "Bjørn", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Giulia", "Hồng", "İpek", "José", "Kofi", "Łucja"}
	lastNames  = []string{"Archer", "Brewer", "Carter", "Dyer", "Fletcher", "Glover", "Mason", "Sawyer", "Taylor", "Weaver"}
	cities     = []string{"Århus", "Bruges", "Coimbra", "Düsseldorf", "Évora", "Fribourg", "St. John's", "Kraków", "Kyōto", "\"Springfield\""}
	pages      = []string{"", "cart", "sale?from=<mail>&to=you", "garden/tools", "help", "checkout"}
	tagWords   = []string{"gift", "express", "fragile", "first order", "50% off", "say \"hi\"", "a,b"}
	words      = []string{"likes", "tea & cake", "asked", "for", "a", "<call>", "on", "monday", "prefers", "e-mail", "🙂", "naïve", "\"soon\"", "2 > 1", "würde"}
)

// one returns any of the texts.
func (w *worker) one(texts []string) string { return texts[w.rng.IntN(len(texts))] }

// maybe returns the value, or null once in eight times.
func (w *worker) maybe(value any) any {
	if w.rng.IntN(8) == 0 {
		return nil
	}
	return value
}

// money returns an amount below limit as text with two decimals.
func (w *worker) money(limit int) string {
	return fmt.Sprintf("%d.%02d", w.rng.IntN(limit), w.rng.IntN(100))
}

func (w *worker) preferences() any {
	if w.rng.IntN(4) == 0 {
		return nil
	}
	return fmt.Sprintf(`{"newsletter": %v, "colour": "%s", "size": [%d, %d]}`,
		w.rng.IntN(2) == 0, w.one([]string{"red", "green", "blue"}), 30+w.rng.IntN(20), w.rng.IntN(5))
}

// prose returns a note: none, a few words, or now and then one so long that
// PostgreSQL keeps it out of line.
func (w *worker) prose() any {
	switch w.rng.IntN(10) {
	case 0:
		return w.text(2500 + w.rng.IntN(2000))
	case 1, 2, 3:
		return nil
	}
	return w.text(20 + w.rng.IntN(60))
}

// text returns words of about size bytes.
func (w *worker) text(size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(w.one(words) + " ")
	}
	return strings.TrimSpace(b.String())
}

func (w *worker) tags() []string {
	tags := make([]string, w.rng.IntN(4))
	for i := range tags {
		tags[i] = w.one(tagWords)
	}
	return tags
}
