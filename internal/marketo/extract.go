package marketo

import "time"

// Extract asks for a file of the objects of a type that were changed in a range
// of at most LongestExtract, both ends of which belong to it, at whole seconds.
type Extract struct {
	Type     string
	Fields   []string
	From, To time.Time
}

// LongestExtract is the longest range of an Extract.
const LongestExtract = 31 * 24 * time.Hour

// ExtractNull is what a file has for a field without a value. It cannot be told
// from the same text.
const ExtractNull = "null"

// ExtractJob is a job that makes the file of an Extract.
type ExtractJob struct {
	ID string `json:"exportId"`
	// Status is Marketo's word: Created, Queued, Processing, Completed, Failed,
	// and Canceled or Cancelled.
	Status string `json:"status"`
	// Records, Bytes and Checksum, "sha256:" and 64 digits, are those of the file
	// of a job that is Completed.
	Records  int    `json:"numberOfRecords"`
	Bytes    int64  `json:"fileSize"`
	Checksum string `json:"fileChecksum"`
}

// Done reports whether the file is there.
func (j *ExtractJob) Done() bool { return j.Status == "Completed" }

// Over reports whether the job has ended, with a file or without.
func (j *ExtractJob) Over() bool {
	switch j.Status {
	case "Completed", "Failed", "Canceled", "Cancelled":
		return true
	}
	return false
}
