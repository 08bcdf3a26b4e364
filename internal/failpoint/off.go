//go:build !failpoints

package failpoint

// Hit does nothing in a program that was built without the tag failpoints.
func Hit(string) {}
