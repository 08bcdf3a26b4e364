package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const unit = "systemd/cdcsync.service"

// The unit is what systemd takes, and gives the daemon no more than it needs.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Type=notify", "WatchdogSec=60", "RestartPreventExitStatus=2 3", "ExecStart=/usr/bin/cdcsync run -c /etc/cdcsync/cdcsync.yaml"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	// What is started need not be installed.
	copied := filepath.Join(t.TempDir(), "cdcsync.service")
	text = regexp.MustCompile(`(?m)^(ExecStart=).*|^Documentation=.*`).ReplaceAll(text, []byte("${1}/bin/true"))
	text = []byte(strings.Replace(string(text), "\n/bin/true\n", "\n", 1))
	if err := os.WriteFile(copied, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "verify", "--man=no", copied).CombinedOutput(); err != nil || strings.Contains(string(out), "cdcsync.service:") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "security", "--offline=true", "--no-pager", copied).CombinedOutput()
	exposure := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || exposure == nil {
		t.Skipf("systemd-analyze security does not look at files here: %v\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(string(exposure[1]), 64); err != nil || level > 2.0 {
		t.Errorf("exposure %s, want 2.0 at most:\n%s", exposure[1], out)
	}
}
