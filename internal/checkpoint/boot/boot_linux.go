package boot

import (
	"os"
	"strings"
)

// ID names this run of the machine's kernel; "" when it is not known. It
// comes from the kernel and changes with each boot, and only then.
func ID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
