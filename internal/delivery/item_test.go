package delivery

import (
	"testing"
	"unsafe"
)

// TestItemIsSmall: there are a hundred thousand of them, and each is waited for.
func TestItemIsSmall(t *testing.T) {
	var it item
	if size := unsafe.Sizeof(it); size > 208 {
		t.Errorf("an item has %d bytes, want at most 208", size)
	}
	if first := unsafe.Offsetof(it.key); first > 64 {
		t.Errorf("what filling a batch looks at takes %d bytes, want a cache line", first)
	}
}
