package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// A log is read by people and by programs: its values have one form.
func TestLogHasTheSameFormsAsTextAndJSON(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		log := newLogger(config.Log{Format: format}, &b)
		log.Info("a line", "lsn", pgoutput.LSN(87475984), "timeout", 30*time.Second, "objects", 7, "err", errors.New("refused"),
			"secret", config.NewSecret("hush"), slog.Group("inner", "lsn", pgoutput.LSN(16), "pause", 1500*time.Millisecond))
		var got map[string]any
		if format == "json" {
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
		} else {
			got = map[string]any{"objects": 7.0, "inner": map[string]any{}}
			for _, word := range strings.Fields(b.String()) {
				key, value, _ := strings.Cut(word, "=")
				if inner, ok := strings.CutPrefix(key, "inner."); ok {
					got["inner"].(map[string]any)[inner] = value
				} else if key != "objects" {
					got[key] = value
				}
			}
		}
		inner := got["inner"].(map[string]any)
		if got["lsn"] != "0/536C710" || got["timeout"] != "30s" || got["objects"] != 7.0 || got["err"] != "refused" ||
			got["secret"] != "(secret)" || inner["lsn"] != "0/10" || inner["pause"] != "1.5s" {
			t.Errorf("%s: got %s", format, b.String())
		}
	}
}
