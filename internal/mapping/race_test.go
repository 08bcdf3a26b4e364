//go:build race

package mapping_test

// raceEnabled: sync.Pool drops at random under the race detector, so that
// allocations cannot be counted.
const raceEnabled = true
