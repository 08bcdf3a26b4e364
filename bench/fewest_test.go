package main

import (
	"testing"
	"time"
)

func TestFewestCalls(t *testing.T) {
	// A change every 100 ms, all read in time.
	steady := curve{{0, 1}, {time.Second, 11}, {2 * time.Second, 21}}
	for _, c := range []struct {
		name  string
		order []int
		most  int
		want  int
	}{
		{"nothing", nil, 1, 0},
		{"one row, again within the wait", []int{1, 1, 1, 1}, 1, 1},
		{"one row, again after the wait", []int{1, 1, 1, 1, 1, 1, 1, 1}, 1, 2},
		{"rows that come once", []int{1, 2, 3, 4, 5}, 2, 3},
		{"both", []int{1, 2, 1, 3, 1, 4, 1, 5}, 2, 3},
	} {
		if got := fewestCalls(c.order, steady, 500*time.Millisecond, c.most); got != c.want {
			t.Errorf("%s: %d calls, want %d", c.name, got, c.want)
		}
	}
}

func TestCurve(t *testing.T) {
	c := curve{{time.Second, 10}, {2 * time.Second, 20}}
	for i, want := range map[int]time.Duration{
		4: 500 * time.Millisecond, 9: time.Second, 14: 1500 * time.Millisecond, 19: 2 * time.Second, 30: 2 * time.Second,
	} {
		if got := c.at(i); got != want {
			t.Errorf("change %d was read after %v, want %v", i, got, want)
		}
	}
}
