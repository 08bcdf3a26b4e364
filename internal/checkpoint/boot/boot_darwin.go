package boot

import "syscall"

// ID names this run of the machine's kernel; "" when it is not known.
// Unlike kern.boottime, this one does not change when the clock is set.
func ID() string {
	id, err := syscall.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
