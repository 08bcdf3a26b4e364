//go:build !linux && !darwin

package sqlite

// bootID names this run of the machine's kernel; "" when it is not known.
func bootID() string { return "" }
