package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestBackfillTellsCampaigns: before a backfill sends anything it says which campaigns
// use the object type, or why that is not known.
func TestBackfillTellsCampaigns(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		fields := []simulator.Field{{Name: "id", Type: simulator.Integer}, {Name: "version", Type: simulator.Integer}, {Name: "pad", Type: simulator.Text}}
		asset := simulator.Asset{Type: "Smart Campaign", ID: 3773, Name: "Welcome", Fields: []string{"id"}}
		for _, tt := range []struct {
			name   string
			assets []simulator.Asset
			log    string
			start  string
		}{
			{"used", []simulator.Asset{asset}, `used_by="Smart Campaign \"Welcome\" (3773)"`, `item is used by Smart Campaign "Welcome" (3773); objects that are created may set them off`},
			{"unused", []simulator.Asset{}, `used_by=""`, "no campaign uses item, by Marketo's word"},
			{"not in the plan", nil, "campaigns_unknown=", "which campaigns use item is not known: "},
		} {
			w := newItems(t, server, api, 3, simulator.Options{RecordHistory: true, Types: []simulator.Type{{Name: "Item", Dedupe: []string{"id"}, Fields: fields, Assets: tt.assets}}})
			w.config.mappings = backfilled
			p := w.start()
			w.awaitBackfill(p, "done")
			w.settle(p)
			printed := p.output.String()
			line := printed[strings.Index(printed, "msg=backfill "):]
			line, _, _ = strings.Cut(line, "\n")
			output, code := w.command("backfill", "start", "items", "--force")
			if code != 0 {
				t.Fatalf("%s: backfill start: exit code %d: %s", tt.name, code, output)
			}
			if api == "soap" {
				tt.log, tt.start = `campaigns_unknown="marketo tells over REST alone"`, "which campaigns use item is not known: marketo tells over REST alone"
			}
			if !strings.Contains(line, tt.log) {
				t.Errorf("%s: the log does not say %s: %s", tt.name, tt.log, line)
			}
			if !strings.Contains(output, tt.start) {
				t.Errorf("%s: the command does not say %s: %s", tt.name, tt.start, output)
			}
			p.stop(t)
			w.noViolations()
			if api == "soap" {
				break
			}
		}
	})
}
