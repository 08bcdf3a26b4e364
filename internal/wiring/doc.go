// Package wiring tests that what decides is told what it decides from: every
// field of what a pure function takes is set somewhere in the program itself. A
// field that only tests set has a rule that holds in tests alone.
package wiring
