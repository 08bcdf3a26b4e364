package version

import (
	"encoding/json"
	"runtime/debug"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestInfo(t *testing.T) {
	i := Info{Go: "go1.26.8", Platform: "linux/amd64"}
	i.add(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-03-01T12:00:00Z"},
	}})
	if got, want := i.String(), "v1.2.3 (0123456789ab) go1.26.8"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	text, err := json.Marshal(i)
	want := `{"version":"v1.2.3","revision":"0123456789abcdef0123","modified":true,"time":"2026-03-01T12:00:00Z","go":"go1.26.8","platform":"linux/amd64"}`
	if err != nil || string(text) != want {
		t.Errorf("JSON is %s, %v, want %s", text, err, want)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(i.Collector())
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "cdcsync_build_info" || families[0].GetMetric()[0].GetGauge().GetValue() != 1 {
		t.Errorf("metrics %v, %v", families, err)
	}
	if text, err := json.Marshal(Info{Version: "v1", Go: "go1"}); err != nil || string(text) != `{"version":"v1","go":"go1","platform":""}` {
		t.Errorf("JSON of what is not known is %s, %v", text, err)
	}
	if r := Read("v9"); r.Version != "v9" || r.Go == "" || r.Platform == "" {
		t.Errorf("Read = %+v", r)
	}
}
