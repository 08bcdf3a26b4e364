package checkpoint

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// Span is what is not in the stream, or is to be left out of it: from what was
// settled last to where reading goes on.
type Span struct {
	From, To LSN
	// New is set in place of To where there is no slot: reading goes on where a
	// new one begins.
	New bool
}

func (s Span) String() string {
	if s.New {
		return s.From.String() + "..new"
	}
	return s.From.String() + ".." + s.To.String()
}

// Transaction is the Span that leaves out what cannot be passed otherwise of the
// transaction whose commit record begins at final.
func Transaction(final LSN) Span { return Span{From: final, To: final + 1} }

// IsTransaction reports whether s may be one of Transaction.
func (s Span) IsTransaction() bool { return !s.New && s.To == s.From+1 }

// Command is how an operator accepts s, with the configuration in file.
func (s Span) Command(file string) string { return RunOnce(file, "--accept-gap "+s.String()) }

// RunOnce is the command that starts with flags, with the configuration in file;
// "" for the default one.
func RunOnce(file, flags string) string {
	if file == "" {
		return "cdcsync run " + flags
	}
	if strings.Trim(file, plainInShell) != "" {
		file = "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	return "cdcsync run -c " + file + " " + flags
}

// plainInShell are characters that mean themselves to a shell.
const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+@%,:="

// ParseSpan reads what String writes.
func ParseSpan(text string) (Span, error) {
	from, to, ok := strings.Cut(text, "..")
	if !ok {
		return Span{}, fmt.Errorf("%q is not FROM..TO, such as 0/16B3748..0/16B3750 or 0/16B3748..new", text)
	}
	var s Span
	var err error
	if s.From, err = pgoutput.ParseLSN(from); err != nil {
		return Span{}, fmt.Errorf("%q is not a position, such as 0/16B3748", from)
	}
	if to == "new" {
		s.New = true
		return s, nil
	}
	if s.To, err = pgoutput.ParseLSN(to); err != nil {
		return Span{}, fmt.Errorf("%q is neither a position, such as 0/16B3748, nor the word new", to)
	}
	return s, nil
}

// acceptable names what r refuses to pass over, where somebody may accept that:
// nil where the cause is a setting, and fixing it loses nothing.
func acceptable(r *Refusal, server ServerView, ck *Checkpoint) *Span {
	var s Span
	if ck != nil {
		s.From = ck.LSN
	}
	switch r.Code {
	case Gap, ServerBehind, WrongTimeline, WrongHistory, StoreLost, WrongSystem, SlotMissing:
	default:
		return nil
	}
	switch {
	case server.Slot == nil:
		s.New = true
	case checkSlot(server) != nil:
		return nil
	case r.Code == WrongTimeline && server.Switched != 0:
		// Both have what is before the fork, and the slot may have more of it.
		s.To = max(server.Slot.Confirmed, min(s.From, server.Switched))
	default:
		s.To = server.Slot.Confirmed
	}
	return &s
}

// offer adds to a refusal how to go on all the same.
func offer(r *Refusal, server ServerView, ck *Checkpoint) *Refusal {
	if r.Span = acceptable(r, server, ck); r.Span != nil {
		r.Remedy += "; or go on without the changes in between, once, with: " + r.Span.Command("")
	}
	return r
}
