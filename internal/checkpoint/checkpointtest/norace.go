//go:build !race

package checkpointtest

const seldom = 1
