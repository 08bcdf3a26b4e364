package checkpoint_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func TestSpan(t *testing.T) {
	for _, text := range []string{"0/16B3748..0/16B3750", "0/0..1/2", "0/16B3748..new"} {
		if s, err := checkpoint.ParseSpan(text); err != nil || s.String() != text {
			t.Errorf("ParseSpan(%s) = %s, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "0/1", "0/1..", "..0/1", "new..0/1", "0/1..later", "0/1...0/2"} {
		if s, err := checkpoint.ParseSpan(text); err == nil {
			t.Errorf("ParseSpan(%q) = %s, want an error", text, s)
		}
	}
}

// A refusal names the gap where going on may be accepted, and none where fixing
// a setting loses nothing.
func TestRefusalNamesTheGap(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *checkpoint.ServerView)
		ck     *checkpoint.Checkpoint
		want   string
	}{
		{"slot advanced", func(s *checkpoint.ServerView) { s.Slot.Confirmed = there.LSN + 8 }, &there, "0/16B3748..0/16B3750"},
		{"slot missing", func(s *checkpoint.ServerView) { s.Slot = nil }, &there, "0/16B3748..new"},
		{"store lost", func(*checkpoint.ServerView) {}, nil, "0/0..0/16B373E"},
		{"server restored", func(s *checkpoint.ServerView) { s.WALEnd = there.LSN - 1 }, &there, "0/16B3748..0/16B373E"},
		{"fork", func(s *checkpoint.ServerView) { s.Timeline, s.Switched = 2, there.LSN-5 }, &there, "0/16B3748..0/16B3743"},
		{"fork, slot made behind it", func(s *checkpoint.ServerView) { s.Timeline, s.Switched, s.Slot.Confirmed = 2, there.LSN-5, there.LSN-2 }, &there, "0/16B3748..0/16B3746"},
		{"another cluster", func(s *checkpoint.ServerView) { s.System = "1" }, &there, "0/16B3748..0/16B373E"},
		{"another database", func(s *checkpoint.ServerView) { s.Database = "test" }, &there, ""},
		{"another plugin", func(s *checkpoint.ServerView) { s.Slot.Plugin = "x" }, &there, ""},
		{"slot lost", func(s *checkpoint.ServerView) { s.Slot.WALStatus = "lost" }, &there, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := healthy()
			tt.change(&server)
			refusal := checkpoint.Resume(server, tt.ck, checkpoint.Reached{}).Refusal
			got := ""
			if refusal != nil && refusal.Span != nil {
				got = refusal.Span.String()
			}
			if got != tt.want {
				t.Errorf("the gap is %q, want %q", got, tt.want)
			}
		})
	}
}

// A command names the configuration file as a shell takes it.
func TestCommandNamesTheConfiguration(t *testing.T) {
	for file, want := range map[string]string{
		"":                      "cdcsync run --accept-gap 0/1..new",
		"/etc/cdcsync/one.yaml": "cdcsync run -c /etc/cdcsync/one.yaml --accept-gap 0/1..new",
		"it's here.yaml":        `cdcsync run -c 'it'\''s here.yaml' --accept-gap 0/1..new`,
	} {
		if got := (checkpoint.Span{From: 1, New: true}).Command(file); got != want {
			t.Errorf("%q: got %s, want %s", file, got, want)
		}
	}
}
