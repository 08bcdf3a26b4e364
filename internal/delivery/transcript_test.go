package delivery

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// TestTranscripts plays the stories of testdata/transcripts: what happens to a
// machine, and what it wants done about it. testdata/transcripts/README.md has
// the language. `go test ./internal/delivery -run Transcripts -rewrite` writes
// down what the machine does now.
func TestTranscripts(t *testing.T) {
	stories := 0
	err := filepath.WalkDir(filepath.Join("testdata", "transcripts"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		stories++
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := newStory(t)
			datadriven.RunTest(t, path, s.play)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if stories == 0 {
		t.Fatal("there are no stories")
	}
}

// story is a machine, the disk that outlives it, and what is told of it.
type story struct {
	t    *testing.T
	m    *Machine
	cfg  Config
	disk checkpoint.State
	now  time.Time
	lsn  LSN
	xid  uint32
	life uint64
	// committed are the transactions, in order.
	committed [][]Entry
	// calls are those that were sent and not answered yet.
	calls map[uint64]Send
	reads map[uint64]Read
	// held are the saves that have not ended, while saves are held.
	hold bool
	held []checkpoint.Save
	told strings.Builder
	// record is what is remembered of confirmed objects.
	record map[string]*checkpoint.Confirmed
}

func newStory(t *testing.T) *story {
	cfg := DefaultConfig()
	cfg.Mappings = []Mapping{
		{Name: "visits", Object: "Visit", Shape: visit, Deletes: true},
		{Name: "plain", Object: "Plain", Shape: visit, Separate: true, Deletes: true},
	}
	cfg.Capacity = marketo.Capacity{Objects: 3}
	cfg.Limits = marketo.Limits{ConcurrentCalls: 2}
	s := &story{
		t: t, cfg: cfg, now: epoch, lsn: 1000, xid: 700,
		disk: checkpoint.State{Clean: true, Checkpoint: &checkpoint.Checkpoint{LSN: start}},
	}
	s.begin()
	return s
}

// begin starts a life from what the disk has.
func (s *story) begin() {
	s.life++
	for i := range s.disk.InFlight {
		// As the store returns them: see checkpoint.Call.
		if c := &s.disk.InFlight[i]; c.ID>>lifeBits == 0 {
			c.ID |= s.life << lifeBits
		}
	}
	s.m = New(s.cfg, s.disk, s.now)
	s.calls, s.reads, s.held = make(map[uint64]Send), make(map[uint64]Read), nil
}

func (s *story) play(t *testing.T, d *datadriven.TestData) string {
	s.told.Reset()
	switch d.Cmd {
	case "machine":
		s.machine(d)
	case "commit":
		s.commit(d)
	case "stream":
		s.stream()
	case "mark":
		s.lsn += 100
		s.step(&Received{Entries: []Entry{{Kind: EntryMark, LSN: s.lsn}}})
	case "answer":
		s.answer(d)
	case "fault":
		s.fault(d)
	case "row":
		s.row(d)
	case "wait":
		s.wait(d.CmdArgs[0].Key)
	case "saves":
		s.saves(d.CmdArgs[0].Key)
	case "kill", "start", "power-loss":
		s.disk.SameBoot = d.Cmd != "power-loss"
		s.begin()
		s.step(Tick{})
	case "stop":
		s.step(Stop{SendUntil: s.now.Add(20 * time.Second)})
	case "retry", "discard":
		s.act(d)
	case "release":
		reply := make(chan Acted, 1)
		s.step(Release{Mappings: words(d), Reply: reply})
	case "offer":
		s.offer(d)
	case "pause":
		s.step(Pause{Mapping: 0, Backfill: slices.Contains(words(d), "backfill"), Reason: "somebody wants it"})
	case "resume":
		s.step(Pause{Mapping: 0, Backfill: slices.Contains(words(d), "backfill")})
	case "show":
		s.show()
	default:
		d.Fatalf(t, "no such command: %s", d.Cmd)
	}
	return s.told.String()
}

func words(d *datadriven.TestData) []string {
	var all []string
	for _, arg := range d.CmdArgs {
		all = append(all, arg.Key)
	}
	return all
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(&s.told, format+"\n", args...) }

// machine begins anew with other settings.
func (s *story) machine(d *datadriven.TestData) {
	settings := map[string]func(n int){
		"capacity":     func(n int) { s.cfg.Capacity.Objects = n },
		"calls":        func(n int) { s.cfg.Limits.ConcurrentCalls = n },
		"calls-in-20s": func(n int) { s.cfg.Limits.CallsPer20s = n },
		"calls-a-day":  func(n int) { s.cfg.Limits.CallsPerDay = n },
		"max-parked":   func(n int) { s.cfg.MaxParked = n },
		"max-deletes":  func(n int) { s.cfg.MaxDeletes = n },
		"max-pending":  func(n int) { s.cfg.MaxPending = n },
		"max-attempts": func(n int) { s.cfg.MaxAttempts = n },
	}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "halt-on-reject":
			s.cfg.HaltOnReject = true
			continue
		case "record":
			s.cfg.Digest, s.record = digest, make(map[string]*checkpoint.Confirmed)
			continue
		}
		set, known := settings[arg.Key]
		if !known {
			d.Fatalf(s.t, "no such setting: %s", arg.Key)
		}
		set(s.number(d, arg.Vals[0]))
	}
	s.begin()
}

func (s *story) number(d *datadriven.TestData, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		d.Fatalf(s.t, "%s is no number", text)
	}
	return n
}

func (s *story) show() {
	r := s.m.Report(s.now)
	s.say("pending=%d parked=%d", r.Pending, r.Parked)
	for _, o := range r.Obstacles() {
		s.say("%s: %s", o.Condition, o.Reason)
	}
}

func (s *story) step(ev Event) {
	for _, e := range slices.Clone(s.m.Step(s.now, ev)) {
		s.effect(e)
	}
}

func (s *story) effect(e Effect) {
	switch e := e.(type) {
	case Send:
		s.calls[e.Call] = e
		s.say("%s call %d: %s", s.clock(), e.Call, text([]Send{e}))
	case Read:
		s.reads[e.Read] = e
		s.say("%s read %d: the row of %s", s.clock(), e.Read, e.Object.Values()[0].Text)
	case Save:
		save := copyOf(e.Save)
		s.say("%s save%s", s.clock(), described(save))
		if s.hold {
			s.held = append(s.held, save)
			return
		}
		s.keep(save)
		s.step(Saved{})
	case Acknowledge:
		s.say("%s acknowledge %s", s.clock(), e.LSN)
	case Log:
		s.say("%s log: %s%s", s.clock(), e.Message, arguments(e.Args))
	case Look:
		s.step(Looked{Look: e.Look, Found: s.record[e.Key]})
	case Unchanged:
		s.say("%s unchanged: %s", s.clock(), e.Object.Values()[0].Text)
	case TicketSettled:
		s.say("%s ticket %d is settled", s.clock(), e.Ticket)
	case BackfillPaused:
		s.say("%s %s is refused: %s", s.clock(), e.Feed, e.Reason)
	case LeaveOut:
		s.say("%s nothing more of %s is taken", s.clock(), s.cfg.Mappings[e.Mapping].Name)
	case Tell:
		s.say("%s told: done %d, missing %d%s", s.clock(), e.Answer.Done, e.Answer.Missing, list(e.Answer.Problems))
	case Finished:
		s.say("%s finished, left %d", s.clock(), e.Left)
	}
}

// clock is how long the story has lasted.
func (s *story) clock() string {
	return fmt.Sprintf("%7.3f", s.now.Sub(epoch).Seconds())
}

func list(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return ": " + strings.Join(all, "; ")
}

func arguments(args []any) string {
	line := ""
	for i := 0; i+1 < len(args); i += 2 {
		line += fmt.Sprintf(" %v=%v", args[i], args[i+1])
	}
	return line
}
