package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/admin"
)

const listText = `4 objects

MAPPING  CODE  MESSAGE                            FIRST                LAST                 OBJECTS  WAITING
visits   1003  Marketo's words and a �[31mcolour  2026-03-01 12:00:00  2026-03-01 13:02:00        2        0
orders   -     Marketo's words and a �[31mcolour  2026-03-01 12:03:00  2026-03-01 13:03:00        1        0
visits   1004  Marketo's words and a �[31mcolour  2026-03-01 12:01:00  2026-03-01 13:01:00        1        1

ID            MAPPING  KEY    CODE  OPERATION  PARKED               TRIES  NEXT TRY
`

func TestParkedList(t *testing.T) {
	o := busy()
	file := o.open(t)
	output, mistake, code := command(t, "parked", "list", "-c", file)
	if code != 0 || !strings.HasPrefix(output, listText) {
		t.Errorf("got exit code %d %s\n%s\nwant 0\n%s", code, mistake, output, listText)
	}
	wantLines(t, output, "visits   id=43  1004  UPSERT     2026-03-01 12:01:00  2      2026-03-01 16:00:00\n", "orders   id=42  -     UPSERT     2026-03-01 12:03:00  2      -\n")

	tests := []struct {
		flags []string
		want  int
	}{
		{[]string{"--mapping", "visits"}, 3},
		{[]string{"--code", "1003"}, 2},
		{[]string{"--code", "-"}, 1},
		{[]string{"--key", "id=42"}, 2},
		{[]string{"--waiting"}, 1},
		{[]string{"--limit", "3"}, 3},
		{[]string{"--limit", "0"}, 0},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.flags, " "), func(t *testing.T) {
			output, mistake, code := command(t, append([]string{"parked", "list", "--json", "-c", file}, tt.flags...)...)
			var got admin.Parked
			if err := json.Unmarshal([]byte(output), &got); err != nil || code != 0 {
				t.Fatalf("exit code %d %s, %v\n%s", code, mistake, err, output)
			}
			if len(got.Entries) != tt.want {
				t.Errorf("entries: got %d, want %d", len(got.Entries), tt.want)
			}
		})
	}
	output, _, _ = command(t, "parked", "list", "-c", file, "--limit", "3")
	wantLines(t, output, "and 1 more; see them with --limit 4\n")
	output, _, code = command(t, "parked", "list", "-c", file, "--mapping", "none")
	if code != 0 || output != "nothing is parked that fits\n" {
		t.Errorf("nothing: got exit code %d\n%s", code, output)
	}
}

// More than the daemon gives at once take several questions.
func TestParkedListOfMany(t *testing.T) {
	o := &office{}
	for i := range 2500 {
		o.parked = append(o.parked, parked("visits", "1003", fmt.Sprint(i), i/100))
	}
	file := o.open(t)
	for limit, want := range map[string]int{"10000": 2500, "2400": 2400, "1000": 1000} {
		output, _, code := command(t, "parked", "list", "--json", "-c", file, "--limit", limit)
		var got admin.Parked
		if err := json.Unmarshal([]byte(output), &got); err != nil || code != 0 {
			t.Fatal(code, err)
		}
		ids := map[string]bool{}
		for _, e := range got.Entries {
			ids[e.ID] = true
		}
		if len(ids) != want || len(got.Entries) != want || (got.Next == "") != (want == 2500) {
			t.Errorf("limit %s: got %d entries, %d of them different, next %q, want %d", limit, len(got.Entries), len(ids), got.Next, want)
		}
	}
}

const showText = `mapping       visits
object        Thing
key           id=43
operation     UPSERT
code          1004
message       Marketo's words and a �[31mcolour
changed       2026-03-01 12:00:59, at 0/1234
parked        2026-03-01 12:01:00
last tried    2026-03-01 13:01:00, tries so far: 2
next try      2026-03-01 16:00:00, by itself

What was to be written:
  {
    "id": 43,
    "city": "Town \u001b[31mred"
  }
`

func TestParkedShow(t *testing.T) {
	o := busy()
	file := o.open(t)
	output, mistake, code := command(t, "parked", "show", "id=43", "-c", file)
	id, rest, _ := strings.Cut(strings.TrimPrefix(output, "id            "), "\n")
	if code != 0 || rest != showText {
		t.Errorf("got exit code %d %s\n%s\nwant 0\n%s", code, mistake, output, showText)
	}
	output, _, code = command(t, "parked", "show", id, "-c", file, "--json")
	var got admin.Entry
	if err := json.Unmarshal([]byte(output), &got); err != nil || code != 0 || got.Key != "id=43" || len(got.Payload) == 0 {
		t.Errorf("as JSON: got exit code %d, %v\n%s", code, err, output)
	}
	if output, _, _ = command(t, "parked", "show", "id=42", "--mapping", "orders", "-c", file); !strings.Contains(output, "cdcsync parked retry ") {
		t.Errorf("one that does not wait: got\n%s", output)
	}
	if _, mistake, code = command(t, "parked", "show", "id=42", "-c", file); code != 1 || !strings.Contains(mistake, "say which: orders, visits") {
		t.Errorf("two of one key: got exit code %d, %q", code, mistake)
	}
	if _, mistake, code = command(t, "parked", "show", "id=1", "-c", file); code != 1 || !strings.Contains(mistake, "nothing is parked as id=1") {
		t.Errorf("none: got exit code %d, %q", code, mistake)
	}
}

func TestParkedRetryAndDiscard(t *testing.T) {
	const v42, v43, v44, o42 = "visits\x0042\x00", "visits\x0043\x00", "visits\x0044\x00", "orders\x0042\x00"
	tests := []struct {
		args   []string
		keys   []string
		output string
		code   int
	}{
		{[]string{"retry", "--all"}, []string{v42, v43, v44, o42}, "4 objects queued again", 0},
		{[]string{"retry", "--all", "--yes"}, []string{v42, v43, v44, o42}, "4 objects queued again", 0},
		{[]string{"retry", "--mapping", "visits", "--code", "1003"}, []string{v42, v44}, "2 objects queued again", 0},
		{[]string{"retry", "--code", "-"}, []string{o42}, "1 object queued again", 0},
		{[]string{"retry", "id=43", "id=44"}, []string{v43, v44}, "2 objects queued again", 0},
		{[]string{"retry", "id=42", "--mapping", "orders"}, []string{o42}, "1 object queued again", 0},
		{[]string{"retry", "--mapping", "none"}, nil, "nothing is parked that fits\n", 0},
		{[]string{"retry", "id=43", "id=1", "id=44"}, []string{v43}, "1 object queued again", 1},
		{[]string{"retry", "id=42"}, nil, "", 1},
		{[]string{"retry", "id=1"}, nil, "", 1},
		{[]string{"discard", "--all", "--yes"}, []string{v42, v43, v44, o42}, "4 objects given up\n", 0},
		{[]string{"discard", "id=43", "-y"}, []string{v43}, "1 object given up\n", 0},
		{[]string{"discard", "--mapping", "none"}, nil, "nothing is parked that fits\n", 0},
		{[]string{"discard", "--all"}, nil, "", 1}, // nobody to ask
		{[]string{"discard", "id=1"}, nil, "", 1},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			o := busy()
			file := o.open(t)
			output, mistake, code := command(t, slices.Concat([]string{"parked"}, tt.args, []string{"-c", file})...)
			if code != tt.code || !strings.HasPrefix(output, tt.output) || tt.output == "" && output != "" {
				t.Errorf("got exit code %d %q, %q, want %d, %q", code, mistake, output, tt.code, tt.output)
			}
			if (mistake != "") != (tt.code != 0) {
				t.Errorf("got %q with exit code %d", mistake, code)
			}
			if !slices.Equal(o.keys, tt.keys) || len(o.keys) > 0 && o.discarded != (tt.args[0] == "discard") {
				t.Errorf("got %q, discarded %v, want %q", o.keys, o.discarded, tt.keys)
			}
		})
	}
}

func TestParkedRetryTellsWhatCouldNotBeQueued(t *testing.T) {
	o := busy()
	o.problems = []string{"mapping visits is not configured any more", "mapping visits is not configured any more"}
	file := o.open(t)
	output, mistake, code := command(t, "parked", "retry", "--all", "-c", file)
	const want = "2 objects queued again; those that are refused again come back to cdcsync parked list\nnot queued: mapping visits is not configured any more\n"
	if code != 1 || output != want || !strings.Contains(mistake, "objects that could not be queued again: 2; the first: ") {
		t.Errorf("got exit code %d %q, %q, want 1, %q", code, mistake, output, want)
	}
	output, _, code = command(t, "parked", "retry", "--all", "-c", file, "--json")
	var got admin.Acted
	if err := json.Unmarshal([]byte(output), &got); err != nil || code != 1 || got.Done != 2 || len(got.Problems) != 2 {
		t.Errorf("as JSON: got exit code %d, %v\n%s", code, err, output)
	}
}

// Something that looks like a terminal need not have anybody before it.
func TestParkedDiscardWithNobodyToAsk(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o := busy()
	root := rootCommand()
	root.SetIn(null)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.SetArgs([]string{"parked", "discard", "--all", "-c", o.open(t)})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "--yes") || len(o.keys) > 0 {
		t.Errorf("got %v and %q, want an error that names --yes and nothing given up", err, o.keys)
	}
}
