package checkpoint

import "time"

// Accepted is a gap, or a place in the stream, that somebody has accepted.
type Accepted struct {
	At   time.Time
	Span string
	// Code is that of the Refusal; PassedOver for a place in the stream.
	Code   string
	Reason string
}

// PassedOver is the Code of a change that was left out of the stream.
const PassedOver = "change"
