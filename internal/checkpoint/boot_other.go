//go:build !linux && !darwin

package checkpoint

// bootID names this run of the machine's kernel; "" when it is not known.
func bootID() string { return "" }
