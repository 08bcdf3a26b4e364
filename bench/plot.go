package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// bar is one bar of a chart, with a whisker from its lowest to its highest.
type bar struct {
	name string
	spread
}

// The chart's measures, in pixels.
const (
	plotWidth  = 720
	plotLeft   = 130
	plotRight  = 90
	plotTop    = 40
	barPitch   = 34
	barHeight  = 20
	plotBottom = 16
)

// plot draws horizontal bars as an SVG image that reads on light and on dark.
func plot(title string, bars []bar) string {
	var most float64
	for _, b := range bars {
		most = max(most, b.high)
	}
	if most == 0 {
		most = 1
	}
	x := func(v float64) float64 { return plotLeft + v/most*(plotWidth-plotLeft-plotRight) }
	height := plotTop + barPitch*len(bars) + plotBottom
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", plotWidth, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	fmt.Fprintf(&s, `<text x="12" y="24" font-weight="bold">%s</text>`+"\n", escaped(title))
	for i, b := range bars {
		top := plotTop + i*barPitch
		middle := top + barHeight/2
		fill := "#9aa5b1"
		if strings.HasPrefix(b.name, "cdcsync") {
			fill = "#5c4ee5"
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLeft-8, middle+5, escaped(b.name))
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", plotLeft, top, x(b.median)-plotLeft, barHeight, fill)
		fmt.Fprintf(&s, `<path d="M%.1f %dH%.1f" stroke="#222222"/>`+"\n", x(b.low), middle, x(b.high))
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s</text>`+"\n", x(b.high)+8, middle+5, thousands(int(b.median)))
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func escaped(text string) string {
	var s strings.Builder
	_ = xml.EscapeText(&s, []byte(text)) // a strings.Builder takes everything
	return s.String()
}
