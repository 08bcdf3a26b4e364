package sqlite_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// secret is in every value of the row that is erased.
const secret = "Anna-Lena.Krähwinkel@example.com"

// findSecret looks for it in the bytes of the state file and what lies beside it.
func findSecret(t *testing.T, path string) (found []string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		data, err := os.ReadFile(path + suffix)
		if err == nil && bytes.Contains(data, []byte(secret)) {
			found = append(found, suffix)
		}
	}
	return found
}

// What is erased is nowhere in the files, whether it was there until now or was
// resolved before and lies in pages that are free; everything else is as it was.
func TestErase(t *testing.T) {
	s, path := identified(t)
	id := checkpoint.MappingID{Schema: "public", Table: "people", Object: "person"}
	key := "person\x00" + secret + "\x00"
	parked := func(key, mapping string) checkpoint.Parked {
		return checkpoint.Parked{Key: key, Mapping: mapping, Object: "person", Fields: fmt.Sprintf(`{"email":%q}`, secret), Payload: fmt.Sprintf(`{"email":%q,"note":%q}`, secret, strings.Repeat("x", 3000)), Operation: "UPSERT", First: time.Now(), Last: time.Now()}
	}
	other := checkpoint.Parked{Key: "person\x00other\x00", Mapping: "people", Object: "person", Fields: `{"email":"other"}`, Payload: "{}", Operation: "UPSERT", First: time.Now(), Last: time.Now()}
	for i := range 50 { // entries that were resolved before
		save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{parked(fmt.Sprintf("person\x00%s %d\x00", secret, i), "people")}})
		save(t, s, checkpoint.Save{Resolved: []string{fmt.Sprintf("person\x00%s %d\x00", secret, i)}})
	}
	ended := func(b checkpoint.Backfill) int64 {
		b.Mapping, b.MappingID, b.Added = "people", id, time.Now()
		n, err := s.AddBackfill(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []checkpoint.BackfillState{checkpoint.BackfillRunning, checkpoint.BackfillDone} {
			if _, err := s.MoveBackfill(t.Context(), n, to, time.Now(), ""); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	byKeys, byWhere := ended(checkpoint.Backfill{Keys: []string{"other", secret}}), ended(checkpoint.Backfill{Where: `email == "` + secret + `"`})
	feed := fmt.Sprint(checkpoint.BackfillFeed, byKeys)
	save(t, s, checkpoint.Save{
		Parked:  []checkpoint.Parked{parked(key, "people"), other},
		Lacking: []string{"person\x00another " + "\x00"},
		Refused: []checkpoint.Refused{{Feed: feed, Key: key, Code: "1003", Message: "no", At: time.Now()}, {Feed: feed, Key: other.Key, Code: "1003", Message: "no", At: time.Now()}},
	})
	if len(findSecret(t, path)) == 0 {
		t.Fatal("the secret is not in the files to begin with")
	}
	erasure := checkpoint.Erasure{MappingID: id, Key: key, Texts: []string{secret}, Asks: func(key string) bool { return key == secret }}
	erased, err := s.Erase(t.Context(), erasure)
	if err != nil {
		t.Fatal(err)
	}
	if erased.Parked != 1 || erased.Refused != 1 || erased.Asked != 2 || len(erased.Left) != 0 {
		t.Errorf("erased: %+v", erased)
	}
	if found := findSecret(t, path); found != nil {
		t.Errorf("the secret is still in files %q", found)
	}
	if again, err := s.Erase(t.Context(), erasure); err != nil || !again.None() {
		t.Errorf("once more: %+v, %v", again, err)
	}
	state := load(t, s)
	if len(state.Parked) != 1 || state.Parked[0].Key != other.Key || len(state.Lacking) != 1 {
		t.Errorf("what is left: %+v, %q", state.Parked, state.Lacking)
	}
	all, err := s.Backfills(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		switch {
		case b.Whole():
			t.Errorf("backfill %d seems to have sent every row", b.ID)
		case b.ID == byKeys && (len(b.Keys) != 1 || b.Keys[0] != "other" || b.Progress.Refused != 1):
			t.Errorf("backfill by keys: %+v", b)
		case b.ID == byWhere && b.Where != "(erased)":
			t.Errorf("backfill by an expression: %+v", b)
		}
	}
	save(t, s, checkpoint.Save{Lacking: []string{key}})
	s = reopen(t, s, path)
	if erased, err := s.Erase(t.Context(), erasure); err != nil || erased.Lacking != 1 {
		t.Errorf("after a restart: %+v, %v", erased, err)
	}
	if found := findSecret(t, path); found != nil {
		t.Errorf("after a restart the secret is in files %q", found)
	}
}

// What cannot be taken out is told: calls that are under way, backfills that have not
// ended, and copies of the file.
func TestEraseTellsWhatIsLeft(t *testing.T) {
	s, path := identified(t)
	id := checkpoint.MappingID{Schema: "public", Table: "people", Object: "person"}
	key := "person\x00" + secret + "\x00"
	other := "person\x00" + strings.ToUpper(secret) + "\x00"
	save(t, s, checkpoint.Save{Parked: []checkpoint.Parked{{Key: other, Mapping: "people", Object: "person", Fields: "{}", Payload: "{}", Operation: "UPSERT", First: time.Now(), Last: time.Now()}}})
	save(t, s, checkpoint.Save{Started: []checkpoint.Call{{ID: 1, Keys: []string{key}}}, Cursors: []checkpoint.Cursor{{Feed: "backfill:1", Value: fmt.Sprintf(`{"columns":["email"],"after":[%q]}`, secret)}}})
	if _, err := s.AddBackfill(t.Context(), checkpoint.Backfill{Mapping: "people", MappingID: id, Keys: []string{secret}, Added: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".v5", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	erased, err := s.Erase(t.Context(), checkpoint.Erasure{MappingID: id, Key: key, Texts: []string{secret}, Asks: func(key string) bool { return key == secret }})
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Join(erased.Left, "\n")
	for _, want := range []string{"backfill 1 asks for it", "backfill 1 stands behind this row", "a call that may be under way", ".v5 is a copy", "the same key in other case"} {
		if !strings.Contains(left, want) {
			t.Errorf("not told: %s, in:\n%s", want, left)
		}
	}
}
