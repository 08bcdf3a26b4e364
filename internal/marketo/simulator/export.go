package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
)

// Exports is how an instance extracts objects in bulk. The zero value does so
// at once and without a limit.
type Exports struct {
	// Time is how long a job takes once it has begun.
	Time time.Duration
	// StatusEvery is how often the status of a job that is told changes at
	// most; Marketo's does once a minute.
	StatusEvery time.Duration
	// DailyBytes is the most that is extracted in a day, of all jobs together;
	// zero lifts it. See MarketoExportBytes.
	DailyBytes int64
}

const (
	// MarketoExportBytes is the DailyBytes of a common subscription.
	MarketoExportBytes = 500_000_000
	// exportsAtOnce is the most jobs that run, and exportsQueued the most that
	// are queued, those that run among them.
	exportsAtOnce = 2
	exportsQueued = 10
	// exportKept is how long a job and its file are kept.
	exportKept = 7 * 24 * time.Hour
	// longestExport is the longest range of updatedAt.
	longestExport = 31 * 24 * time.Hour
)

// The statuses of a job, in Marketo's words: it spells the last in two ways.
const (
	exportCreated    = "Created"
	exportQueued     = "Queued"
	exportProcessing = "Processing"
	exportCompleted  = "Completed"
	exportCancelled  = "Cancelled"
)

// export is one job.
type export struct {
	id       string
	table    *table
	fields   []string
	headers  map[string]string
	format   string
	from, to int64 // of updatedAt, in seconds; both ends belong to it
	nothing  bool  // of a list of leads, which the instance has none of

	status                             string
	created, queued, started, finished time.Time
	records                            int
	file                               []byte
	checksum                           string
	// shown is the status as it is told, since shownAt.
	shown   string
	shownAt time.Time
}

// exports are the jobs of an instance.
type exports struct {
	opts Exports
	mu   sync.Mutex
	jobs []*export // in the order in which they were made
	line []*export // those that were queued and have not ended, in that order
	free [exportsAtOnce]time.Time
}

// advance lets jobs begin and end that would have by now.
func (x *exports) advance(now time.Time) {
	x.jobs = slices.DeleteFunc(x.jobs, func(e *export) bool { return e.ended() && now.Sub(e.finished) > exportKept })
	x.line = slices.DeleteFunc(x.line, func(e *export) bool {
		if !now.Before(e.started) {
			e.status = exportProcessing
		}
		if now.Before(e.finished) {
			return false
		}
		e.complete()
		return true
	})
}

// enqueue gives a job its time: when one of those that run at once is free.
func (x *exports) enqueue(e *export, now time.Time) {
	lane := &x.free[0]
	for i := range x.free {
		if x.free[i].Before(*lane) {
			lane = &x.free[i]
		}
	}
	e.status, e.queued, e.started, e.shown, e.shownAt = exportQueued, now, now, exportQueued, now
	if lane.After(now) {
		e.started = *lane
	}
	e.finished = e.started.Add(x.opts.Time)
	*lane = e.finished
	x.line = append(x.line, e)
}

func (e *export) ended() bool { return e.status == exportCompleted || e.status == exportCancelled }

// complete writes the file.
func (e *export) complete() {
	e.file, e.records = e.table.extract(e)
	sum := sha256.Sum256(e.file)
	e.checksum = "sha256:" + hex.EncodeToString(sum[:])
	e.status = exportCompleted
}

// today is how many bytes were extracted in the day that now is in.
func (x *exports) today(now time.Time, zone *time.Location) (bytes int64) {
	day := now.In(zone).Format(time.DateOnly)
	for _, e := range x.jobs {
		if e.status == exportCompleted && e.finished.In(zone).Format(time.DateOnly) == day {
			bytes += int64(len(e.file))
		}
	}
	return bytes
}

// reset forgets all jobs.
func (x *exports) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.jobs, x.line, x.free = nil, nil, [exportsAtOnce]time.Time{}
}

func (x *exports) find(t *table, id string) *export {
	for _, e := range x.jobs {
		if e.table == t && e.id == id {
			return e
		}
	}
	return nil
}

// separators are those of the formats. Marketo calls SSV space-separated in one
// place and semicolon-separated in another.
var separators = map[string]string{"CSV": ",", "TSV": "\t", "SSV": ";"}

// extract returns the file of a job and the number of its records: objects that
// are linked to a lead and were changed in the range.
func (t *table) extract(e *export) ([]byte, int) {
	separator := separators[e.format]
	var file strings.Builder
	for i, name := range e.fields {
		if i > 0 {
			file.WriteString(separator)
		}
		if header, ok := e.headers[name]; ok {
			name = header
		}
		file.WriteString(cell(name, separator))
	}
	file.WriteByte('\n')
	t.mu.Lock()
	defer t.mu.Unlock()
	schema, records := t.schema.Load(), 0
	link, linked := schema.columns[schema.link.Field]
	if !linked || e.nothing {
		return []byte(file.String()), 0
	}
	values := make([]string, len(schema.fields))
	for key, object := range t.objects {
		readRow(object.row, values)
		if values[link] == "" || object.updated < e.from || object.updated > e.to {
			continue
		}
		for _, guid := range object.guids(schema.name, key) {
			records++
			for i, name := range e.fields {
				if i > 0 {
					file.WriteString(separator)
				}
				text := schema.exported(name, guid, &object, values)
				if text == "" {
					text = "null"
				}
				file.WriteString(cell(text, separator))
			}
			file.WriteByte('\n')
		}
	}
	return []byte(file.String()), records
}

// exported is the text of a field in a file.
func (s *schema) exported(name, guid string, object *stored, values []string) string {
	switch name {
	case guidField:
		return guid
	case createdField:
		return time.Unix(object.created, 0).UTC().Format(time.RFC3339)
	case updatedField:
		return time.Unix(object.updated, 0).UTC().Format(time.RFC3339)
	}
	return values[s.columns[name]]
}

// cell quotes a text where it has to be.
func cell(text, separator string) string {
	if !strings.ContainsAny(text, "\"\r\n"+separator) {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
