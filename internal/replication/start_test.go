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
	if got := gathers(plain); got != gatherTime {
		t.Errorf("a plain connection gathers for %s, want %s", got, gatherTime)
	}
	if got := gathers(tls.Client(plain, &tls.Config{InsecureSkipVerify: true})); got != 0 {
		t.Errorf("an encrypted connection gathers for %s, want not at all", got)
	}
}
