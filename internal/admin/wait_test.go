package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/admin"
)

func TestWaitQuestions(t *testing.T) {
	o := full().options()
	var asked admin.WaitAsk
	o.Wait = func(_ context.Context, ask admin.WaitAsk) (admin.Waited, error) {
		asked = ask
		return admin.Waited{Reached: true, LSN: "1/20"}, nil
	}
	status, body := ask(t, o, "GET", "/api/v1/wait?lsn=1/20&timeline=3&hold=2s", "")
	if want := (admin.WaitAsk{LSN: 1<<32 + 0x20, Timeline: 3, Hold: 2 * time.Second}); status != http.StatusOK || asked != want || !strings.Contains(body, `"reached": true`) {
		t.Errorf("got %d %s for %+v, want %+v", status, body, asked, want)
	}
	for _, query := range []string{"lsn=here", "lsn=0/0", "timeline=0", "timeline=x", "hold=1m", "hold=-1s", "hold=2", "until=now"} {
		if status, body := ask(t, o, "GET", "/api/v1/wait?"+query, ""); status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", query, status, body)
		}
	}
}
