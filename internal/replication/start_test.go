package replication

import (
	"crypto/tls"
	"net"
	"testing"
)

func TestEncryptedStreamDoesNotWaitForRows(t *testing.T) {
	plain, other := net.Pipe()
	defer plain.Close()
	defer other.Close()
	w := newWire(plain)
	if w.gatherOn(plain); w.gather != gatherTime {
		t.Errorf("a plain connection gathers for %s, want %s", w.gather, gatherTime)
	}
	w = newWire(plain)
	if w.gatherOn(tls.Client(plain, &tls.Config{InsecureSkipVerify: true})); w.gather != 0 {
		t.Errorf("an encrypted connection gathers for %s, want not at all", w.gather)
	}
}
