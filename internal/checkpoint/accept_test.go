package checkpoint_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// After a gap was accepted, nothing of what was known of the stream suppresses
// or holds up anything: the positions mean something else now.
func TestAcceptForgetsWhatWasKnownOfTheStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	if err := s.Identify(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	at := pgoutput.Position{Commit: home.LSN + 500, Seq: 3}
	save(t, s, checkpoint.Save{
		Checkpoint: home.LSN + 100, Sent: at, Settled: []checkpoint.Settled{{Key: "a", Through: at}},
		SettledTo: &checkpoint.SettledTo{Through: pgoutput.Position{Commit: home.LSN + 400}},
		Parked:    []checkpoint.Parked{{Mapping: "m", Object: "O", Key: "p", Operation: "UPSERT", Fields: "{}", Payload: "{}", At: at}},
	})
	if got := load(t, s); len(got.Settled) != 1 || got.SettledTo == nil {
		t.Fatalf("settled %v to %v, want both", got.Settled, got.SettledTo)
	}
	for _, to := range []checkpoint.LSN{home.LSN - 100, 0} {
		c := home
		c.Timeline, c.LSN = 2, to
		a := checkpoint.Accepted{At: time.Unix(1000, 0).UTC(), Span: "0/1..0/2", Code: checkpoint.WrongTimeline, Reason: "fork"}
		if err := s.Accept(t.Context(), c, a); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := load(t, s)
			if got.Checkpoint == nil || *got.Checkpoint != c {
				t.Errorf("checkpoint = %+v, want %+v", got.Checkpoint, c)
			}
			if got.Sent != (pgoutput.Position{}) || len(got.Settled) != 0 || got.SettledTo != nil {
				t.Errorf("sent %v and settled %v are still known", got.Sent, got.Settled)
			}
			if len(got.Parked) != 1 || got.Parked[0].At != (pgoutput.Position{}) {
				t.Errorf("parked: %+v, want it without a position", got.Parked)
			}
			if n := len(got.Accepted); n == 0 || got.Accepted[n-1] != a {
				t.Errorf("accepted: %+v, want %+v", got.Accepted, a)
			}
			s = reopen(t, s, path)
		}
	}
}

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

// A refusal names the gap where going on may be accepted, and none where mending
// a setting loses nothing.
func TestRefusalNamesTheGap(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *checkpoint.ServerView)
		ck     *checkpoint.Checkpoint
		want   string
	}{
		{"slot advanced", func(s *checkpoint.ServerView) { s.Slot.Confirmed = home.LSN + 8 }, &home, "0/16B3748..0/16B3750"},
		{"slot missing", func(s *checkpoint.ServerView) { s.Slot = nil }, &home, "0/16B3748..new"},
		{"store lost", func(*checkpoint.ServerView) {}, nil, "0/0..0/16B373E"},
		{"server restored", func(s *checkpoint.ServerView) { s.WALEnd = home.LSN - 1 }, &home, "0/16B3748..0/16B373E"},
		{"fork", func(s *checkpoint.ServerView) { s.Timeline, s.Switched = 2, home.LSN-5 }, &home, "0/16B3748..0/16B3743"},
		{"fork, slot made behind it", func(s *checkpoint.ServerView) { s.Timeline, s.Switched, s.Slot.Confirmed = 2, home.LSN-5, home.LSN-2 }, &home, "0/16B3748..0/16B3746"},
		{"another cluster", func(s *checkpoint.ServerView) { s.System = "1" }, &home, "0/16B3748..0/16B373E"},
		{"another database", func(s *checkpoint.ServerView) { s.Database = "test" }, &home, ""},
		{"another plugin", func(s *checkpoint.ServerView) { s.Slot.Plugin = "x" }, &home, ""},
		{"slot lost", func(s *checkpoint.ServerView) { s.Slot.WALStatus = "lost" }, &home, ""},
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
