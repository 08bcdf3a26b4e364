package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// screen writes lines that stay and, on a terminal, a block below them that is
// drawn again in place. One goroutine uses it. Colours are not used. Lines that
// are too long for the terminal are cut by it, not wrapped, so that its width
// need not be known.
type screen struct {
	out  io.Writer
	live bool
	// block is what stands below the lines that stay.
	block []string
	err   error
}

// Control sequences of ECMA-48 and the VT100, which every terminal knows.
const (
	upLines     = "\x1b[%dA\r"
	clearBelow  = "\x1b[J"
	noWrap      = "\x1b[?7l"
	wrap        = "\x1b[?7h"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	liveEvery   = 250 * time.Millisecond
	linesEvery  = time.Second
	startOfLive = hideCursor + noWrap
	endOfLive   = wrap + showCursor
)

// interval is how often something new is worth showing.
func (s *screen) interval() time.Duration {
	if s.live {
		return liveEvery
	}
	return linesEvery
}

// say writes lines that stay.
func (s *screen) say(lines ...string) {
	if len(lines) > 0 {
		s.write(lines, s.block)
	}
}

// draw replaces the block.
func (s *screen) draw(lines []string) { s.write(nil, lines) }

// finish leaves the block where it is; what follows is written below it.
func (s *screen) finish() {
	if s.block != nil {
		s.print(endOfLive)
	}
	s.block = nil
}

// close finishes and returns the first error of writing.
func (s *screen) close() error {
	s.finish()
	if s.err != nil {
		return fmt.Errorf("demo: write to the terminal: %w", s.err)
	}
	return nil
}

// write puts lines where the block was, and the new block below them.
func (s *screen) write(lines, block []string) {
	var b strings.Builder
	if len(s.block) > 0 {
		fmt.Fprintf(&b, upLines+clearBelow, len(s.block))
	} else if len(block) > 0 {
		b.WriteString(startOfLive)
	}
	for _, line := range append(lines[:len(lines):len(lines)], block...) {
		b.WriteString(line + "\n")
	}
	s.block = block
	s.print(b.String())
}

func (s *screen) print(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.out, text)
	}
}

// sayKept says where the files are that were not removed.
func (s *screen) sayKept(stage *stage) error {
	if stage.keep && stage.dir != "" {
		s.say("", "Kept in "+stage.dir+": cdcsync.yaml, mappings.yaml, cdcsync.log and the state, cdcsync.db.")
	}
	return s.err
}
