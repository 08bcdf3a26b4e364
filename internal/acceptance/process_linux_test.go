package acceptance_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// withTest has the kernel kill the process when the test dies.
func withTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// peakMemory returns the largest resident size that the process ever had, in
// bytes; false where that is not known.
func (p *process) peakMemory(t *testing.T) (int64, bool) {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		rest, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return kb << 10, true
	}
	t.Fatal("no VmHWM")
	return 0, false
}
