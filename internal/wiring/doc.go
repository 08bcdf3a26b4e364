// Package wiring tests how the rooms hang together. What decides is told what
// it decides from: every field of what a pure function takes is set somewhere in
// the program itself, as a field that only tests set has a rule that holds in
// tests alone. And what decides does nothing else: no clock, no goroutine, no
// randomness without a seed, no network and no database.
package wiring
