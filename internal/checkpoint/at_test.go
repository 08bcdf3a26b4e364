package checkpoint_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

func TestRefusalNamesTheFile(t *testing.T) {
	d := checkpoint.Decision{Refusal: &checkpoint.Refusal{Code: "c", Reason: "x, but the state file knows nothing", Remedy: "put it back where `state` says, or cdcsync run --accept-gap 0/1..new",
		Span: &checkpoint.Span{From: 1, New: true}}}
	got := d.At("/var/lib/x.db", "x.yaml").Refusal
	if got.Reason != "x, but the state file /var/lib/x.db knows nothing" || got.Remedy != "put it back as /var/lib/x.db, or cdcsync run -c x.yaml --accept-gap 0/1..new" || d.Refusal.Reason == got.Reason {
		t.Errorf("got %v", got)
	}
}
