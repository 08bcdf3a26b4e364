//go:build !linux && !darwin

package boot

// ID names this run of the machine's kernel; "" when it is not known.
func ID() string { return "" }
