//go:build race

package acceptance_test

// underRace is set when the tests run with the race detector; then the program
// is built with it too.
const underRace = true
