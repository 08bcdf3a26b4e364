package preflight

import "testing"

func TestSynchronousStandbyNames(t *testing.T) {
	tests := []struct {
		setting, ours string
		others        []string
		want          Level
		without       string
	}{
		{"*", "", nil, Fail, ""},
		{"*", "sync", []string{"s1"}, Fail, `FIRST 1 ("s1")`},
		{"*", "", []string{"s1"}, Warn, `FIRST 1 ("s1")`},
		{"*", "potential", []string{"s1"}, Warn, `FIRST 1 ("s1")`},
		{"FIRST 2 (*)", "", []string{"s1"}, Fail, `FIRST 1 ("s1")`},
		{"any 1 (*)", "", []string{"s1", "s2"}, Fail, `ANY 1 ("s1", "s2")`},
		{`ANY 1 (s1, "CDCsync")`, "quorum", nil, Fail, `ANY 1 ("s1")`},
		{"s1, s2", "", nil, OK, `FIRST 1 ("s1", "s2")`},
		{"2 (s1, s2)", "async", nil, OK, `FIRST 2 ("s1", "s2")`},
	}
	for _, tt := range tests {
		in := &inspection{facts: facts{
			Settings:   map[string]string{"synchronous_standby_names": tt.setting},
			Walsenders: walsenders{Name: "cdcsync", Ours: tt.ours, Others: tt.others},
		}}
		in.inspectSynchronous()
		if got := in.findings[0].Level; got != tt.want {
			t.Errorf("%s with %q and %q: %s, want %s", tt.setting, tt.ours, tt.others, got, tt.want)
		}
		if got := parseSynchronous(tt.setting).without(in.facts.Walsenders); got != tt.without {
			t.Errorf("%s without us: %s, want %s", tt.setting, got, tt.without)
		}
	}
}
