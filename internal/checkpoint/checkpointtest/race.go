//go:build race

package checkpointtest

// seldom is by how much accidents are fewer: under the race detector a life of a store
// may take a second.
const seldom = 4
