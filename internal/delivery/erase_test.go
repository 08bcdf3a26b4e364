package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// What is on its way is not erased; what is parked is, and nothing of it is tried
// again or said to be lacking.
func TestErase(t *testing.T) {
	r := newRig(t, nil)
	reply := make(chan Erased, 1)
	erase := func(key string) (answer Erased) {
		t.Helper()
		for _, e := range r.m.Step(r.now, Erase{Key: key, Reply: reply}) {
			if tell, ok := e.(TellErased); ok {
				answer = tell.Answer
			}
		}
		return answer
	}
	w := upsert("1", "a")
	r.commit(w)
	if got := erase(w.Key); !strings.Contains(got.Waits, "on its way") {
		t.Errorf("an object that waits: %+v", got)
	}
	r.pass(time.Second)
	c := r.take(1)[0]
	if got := erase(w.Key); got.Waits == "" {
		t.Errorf("an object in a call: %+v", got)
	}
	r.answer(c, marketo.Reject)
	r.pass(time.Second)
	if r.m.parked.objects[w.Key] == nil {
		t.Fatal("it is not parked")
	}
	if got := erase(w.Key); got != (Erased{Parked: true}) {
		t.Errorf("a parked object: %+v", got)
	}
	r.m.noteIncomplete(w.Key)
	if got := erase(w.Key); got != (Erased{Lacking: true}) {
		t.Errorf("an object that lacks something: %+v", got)
	}
	if got := erase(w.Key); got != (Erased{}) || r.m.parked.objects[w.Key] != nil || r.m.isIncomplete(w.Key) {
		t.Errorf("nothing: %+v", got)
	}
}
