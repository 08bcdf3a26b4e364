package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// What takes long is told at a terminal, and goes again; nothing is told of what
// is quick, or to a file.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		live  bool
		takes time.Duration
		want  string
	}{
		{true, time.Second, ""},
		{true, 3 * time.Second, "looking at PostgreSQL …\r\x1b[K"},
		{false, 3 * time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			end := patient{out: &out, live: tt.live, after: patience}.while("looking at PostgreSQL")
			time.Sleep(tt.takes)
			end()
			time.Sleep(time.Minute)
			if out.String() != tt.want {
				t.Errorf("%v: %q, want %q", tt, out.String(), tt.want)
			}
		})
	}
	if patientOn(&bytes.Buffer{}).live {
		t.Error("a buffer is taken for a terminal")
	}
}
