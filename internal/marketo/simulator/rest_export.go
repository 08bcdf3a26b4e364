package simulator

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const bulkPrefix = "/bulk/v1/customobjects/"

// withoutFraction is a time as the filter takes it.
var withoutFraction = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$`)

// parseBulk routes a call of the bulk extract.
func (s *Simulator) parseBulk(r *http.Request, body string) (*request, *fault) {
	typeName, path, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, bulkPrefix), "/")
	req := &request{typeName: typeName, operation: opExport}
	t := s.store.find(typeName)
	if !ok || t == nil {
		return req, notFoundREST()
	}
	if path == "export.json" {
		query := r.URL.Query()
		for name := range query {
			if !slices.Contains([]string{"status", "batchSize", "nextPageToken"}, name) {
				return req, violated("unknown parameter "+name, ViolationMalformed)
			}
		}
		size, from, f := pageOf(query.Get("batchSize"), query.Get("nextPageToken"))
		if f != nil {
			return req, f
		}
		req.read = func() ([]byte, *fault) { return s.exports.list(t, query.Get("status"), from, size) }
		return reading(r, req)
	}
	path, ok = strings.CutPrefix(path, "export/")
	path, suffix := strings.CutSuffix(path, ".json")
	if !ok || !suffix {
		return req, notFoundREST()
	}
	if path == "create" {
		return s.parseExport(r, req, t, body)
	}
	id, action, _ := strings.Cut(path, "/")
	switch action {
	case "enqueue":
		req.read = func() ([]byte, *fault) { return s.enqueueExport(t, id) }
	case "cancel":
		req.read = func() ([]byte, *fault) { return s.exports.cancel(t, id) }
	case "status":
		req.read = func() ([]byte, *fault) { return s.exports.statusOf(t, id) }
		return reading(r, req)
	case "file":
		req.operation = opFile
		wanted := r.Header.Get("Range")
		req.answer = func() *reply { return s.exports.fileOf(t, id, wanted) }
		return reading(r, req)
	default:
		return req, notFoundREST()
	}
	if r.Method != http.MethodPost {
		return req, &fault{code: "605", message: "HTTP Method not supported", violation: ViolationMalformed}
	}
	return req, nil
}

// exportBody is the body of a call that makes a job.
type exportBody struct {
	Fields            []string                   `json:"fields"`
	Format            string                     `json:"format"`
	ColumnHeaderNames map[string]string          `json:"columnHeaderNames"`
	Filter            map[string]json.RawMessage `json:"filter"`
}

func (s *Simulator) parseExport(r *http.Request, req *request, t *table, body string) (*request, *fault) {
	if r.Method != http.MethodPost {
		return req, &fault{code: "605", message: "HTTP Method not supported", violation: ViolationMalformed}
	}
	if f := checkJSON(r); f != nil {
		return req, f
	}
	var b exportBody
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return req, invalidJSON(err.Error())
	}
	e := &export{table: t, fields: b.Fields, headers: b.ColumnHeaderNames, format: b.Format}
	if f := e.check(&b); f != nil {
		return req, f
	}
	req.read = func() ([]byte, *fault) { return s.createExport(e) }
	return req, nil
}

// check holds a job against the contract.
func (e *export) check(b *exportBody) *fault {
	if e.format == "" {
		e.format = "CSV"
	}
	if len(e.fields) == 0 {
		return blank("fields")
	}
	schema := e.table.schema.Load()
	for _, name := range e.fields {
		if _, known := schema.columns[name]; !known && !slices.Contains([]string{guidField, createdField, updatedField}, name) {
			return &fault{code: "1006", message: "Field '" + name + "' not found"}
		}
	}
	for name := range e.headers {
		if !slices.Contains(e.fields, name) {
			return violated("columnHeaderNames has "+name+", which is none of fields", ViolationMalformed)
		}
	}
	switch {
	case separators[e.format] == "":
		return violated("format "+e.format, ViolationMalformed)
	case len(b.Filter) != 1:
		return violated("filter takes exactly one of its members", ViolationMalformed)
	}
	for name, value := range b.Filter {
		switch name {
		case "updatedAt":
			return e.ranged(value)
		case "staticListId", "staticListName", "smartListId", "smartListName":
			e.nothing = true
			return nil
		}
	}
	return violated("unknown filter", ViolationMalformed)
}

// ranged reads the range of updatedAt.
func (e *export) ranged(value json.RawMessage) *fault {
	var span struct{ StartAt, EndAt string }
	if err := json.Unmarshal(value, &span); err != nil {
		return invalidJSON(err.Error())
	}
	if !withoutFraction.MatchString(span.StartAt) || !withoutFraction.MatchString(span.EndAt) {
		return &fault{code: "704", message: "Invalid date", violation: ViolationMalformed}
	}
	from, err := time.Parse(time.RFC3339, span.StartAt)
	to, err2 := time.Parse(time.RFC3339, span.EndAt)
	switch {
	case err != nil || err2 != nil || to.Before(from):
		return &fault{code: "704", message: "Invalid date", violation: ViolationMalformed}
	case to.Sub(from) > longestExport:
		return violated("the range of updatedAt is longer than 31 days", ViolationMalformed)
	}
	e.from, e.to = from.Unix(), to.Unix()
	return nil
}

var (
	exportQuota   = &fault{code: "1029", message: "Export daily quota exceeded"}
	exportUnknown = &fault{code: "1013", message: "Export job not found"}
)

// usedUp reports whether the day's bytes are.
func (s *Simulator) usedUp() bool {
	x := s.exports
	return x.opts.DailyBytes > 0 && x.today(time.Now(), s.limiter.zone) >= x.opts.DailyBytes
}

func (s *Simulator) createExport(e *export) ([]byte, *fault) {
	x := s.exports
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(time.Now())
	if s.usedUp() {
		return nil, exportQuota
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	e.id = fmt.Sprintf("%s-%s-%s", hex.EncodeToString(id[:4]), hex.EncodeToString(id[4:6]), hex.EncodeToString(id[6:]))
	e.status, e.created = exportCreated, time.Now()
	x.jobs = append(x.jobs, e)
	return restSuccess([]any{x.record(e, e.created)}), nil
}

// of acts on a job of a type, and answers with it.
func (x *exports) of(t *table, id string, act func(e *export, now time.Time) *fault) ([]byte, *fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	x.advance(now)
	e := x.find(t, id)
	if e == nil {
		return nil, exportUnknown
	}
	if f := act(e, now); f != nil {
		return nil, f
	}
	return restSuccess([]any{x.record(e, now)}), nil
}

func (s *Simulator) enqueueExport(t *table, id string) ([]byte, *fault) {
	x := s.exports
	return x.of(t, id, func(e *export, now time.Time) *fault {
		switch {
		case e.status != exportCreated:
			return &fault{code: "1029", message: "Job already queued"}
		case s.usedUp():
			return exportQuota
		case len(x.line) >= exportsQueued:
			return &fault{code: "1029", message: "Too many jobs in queue"}
		}
		x.enqueue(e, now)
		return nil
	})
}

func (x *exports) cancel(t *table, id string) ([]byte, *fault) {
	return x.of(t, id, func(e *export, now time.Time) *fault {
		if e.ended() {
			return violated("the job has ended", "")
		}
		e.status, e.finished = exportCancelled, now
		x.line = slices.DeleteFunc(x.line, func(other *export) bool { return other == e })
		return nil
	})
}

func (x *exports) statusOf(t *table, id string) ([]byte, *fault) {
	return x.of(t, id, func(*export, time.Time) *fault { return nil })
}

// list answers with a page of the jobs of a type; states, with commas between them,
// chooses some.
func (x *exports) list(t *table, states string, from, size int) ([]byte, *fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	x.advance(now)
	result := []any{}
	for _, e := range x.jobs {
		if e.table != t {
			continue
		}
		record := x.record(e, now)
		if states == "" || slices.Contains(strings.Split(states, ","), record["status"].(string)) {
			result = append(result, record)
		}
	}
	return paged(result, from, size), nil
}

// record is a job as it is told.
func (x *exports) record(e *export, now time.Time) map[string]any {
	if now.Sub(e.shownAt) >= x.opts.StatusEvery || e.status == exportCancelled || e.shown == "" {
		if e.shown != e.status {
			e.shownAt = now
		}
		e.shown = e.status
	}
	record := map[string]any{"exportId": e.id, "format": e.format, "status": e.shown, "createdAt": e.created.UTC().Format(time.RFC3339)}
	told := map[string][]string{exportQueued: {"queuedAt"}, exportProcessing: {"queuedAt", "startedAt"}, exportCompleted: {"queuedAt", "startedAt", "finishedAt"}}
	at := map[string]time.Time{"queuedAt": e.queued, "startedAt": e.started, "finishedAt": e.finished}
	for _, name := range told[e.shown] {
		record[name] = at[name].UTC().Format(time.RFC3339)
	}
	if e.shown == exportCompleted {
		record["numberOfRecords"], record["fileSize"], record["fileChecksum"] = e.records, len(e.file), e.checksum
	}
	return record
}

// fileOf answers with a file or a part of it. What cannot be had is answered
// unlike everything else: with 404 and plain text.
func (x *exports) fileOf(t *table, id, wanted string) *reply {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(time.Now())
	e := x.find(t, id)
	if e == nil || e.status != exportCompleted || e.shown != exportCompleted {
		return &reply{status: http.StatusNotFound, contentType: "text/plain", body: []byte("export file not found"),
			fault: &fault{code: "404", message: "export file not found"}}
	}
	answer := &reply{status: http.StatusOK, contentType: "text/csv;charset=UTF-8", body: e.file, header: http.Header{"Accept-Ranges": {"bytes"}}}
	if wanted == "" {
		return answer
	}
	from, to, ok := byteRange(wanted, len(e.file))
	if !ok {
		return &reply{status: http.StatusRequestedRangeNotSatisfiable, contentType: "text/plain",
			header: http.Header{"Content-Range": {"bytes */" + strconv.Itoa(len(e.file))}}, fault: &fault{code: "416", message: "range"}}
	}
	answer.status, answer.body = http.StatusPartialContent, e.file[from:to+1]
	answer.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(e.file)))
	return answer
}

// byteRange reads one range of bytes.
func byteRange(text string, size int) (from, to int, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(text, "-")
	if !ok || !dash {
		return 0, 0, false
	}
	from, err := strconv.Atoi(first)
	if err != nil || from < 0 || from >= size {
		return 0, 0, false
	}
	to = size - 1
	if last != "" {
		if to, err = strconv.Atoi(last); err != nil || to < from {
			return 0, 0, false
		}
	}
	return from, min(to, size-1), true
}
