package rest

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// restError is the first error of a call that failed as a whole.
type restError struct {
	code string
	text []byte
}

// readReply reads the reply to a call that sent b: one Result for each of
// its objects, or the error in it, or a Go error because it is not exactly one
// whole reply, of which then nothing counts.
func readReply(body []byte, b *marketo.Batch) ([]marketo.Result, *restError, error) {
	results, seen := marketo.NewResults(len(b.Objects)), make([]bool, len(b.Objects))
	var rec restRecord
	failed, err := readRESTEnvelope(body, func(r *jsonReader) {
		if !rec.usual(r) {
			rec.read(r, b.Operation)
		}
		i := rec.seq
		switch {
		case r.err != nil || i < 0 || i >= len(results):
		case seen[i]:
			results[i] = marketo.Result{}
		default:
			seen[i], results[i] = true, rec.result(b.Operation)
		}
	})
	if err != nil || failed != nil {
		return nil, failed, err
	}
	return results, nil, nil
}

// readRESTEnvelope reads {"success", "result", "errors"}. element reads each
// element of result; what it found counts only if there is no error.
func readRESTEnvelope(body []byte, element func(*jsonReader)) (*restError, error) {
	var (
		success, told, result bool
		elements              int
		failed                *restError
	)
	r := newJSONReader(body)
	r.object(func(key []byte) {
		switch string(key) {
		case "success":
			success, told = r.boolean(), true
		case "result":
			result = true
			r.array(func() {
				elements++
				element(r)
			})
		case "errors":
			failed = readErrors(r)
		default:
			r.skip()
		}
	})
	err := r.finish()
	switch {
	case err != nil:
		return nil, err
	case !told:
		return nil, errors.New("it does not say success")
	case success && failed != nil:
		return nil, errors.New("it says success and has errors")
	case success && !result:
		return nil, errors.New("it says success and has no result")
	case !success && failed == nil:
		return nil, errors.New("it says no success and has no errors")
	case !success && elements > 0:
		return nil, errors.New("it says no success and has results")
	}
	return failed, nil
}

// readErrors returns the first of an array of {"code", "message"}, or nil.
func readErrors(r *jsonReader) *restError {
	var first *restError
	r.array(func() {
		code, text := readReason(r)
		if first == nil {
			first = &restError{code: code, text: bytes.Clone(text)}
		}
	})
	return first
}

// readReason reads {"code", "message"}. Marketo writes a code as a string or
// as a number.
func readReason(r *jsonReader) (code string, text []byte) {
	r.object(func(key []byte) {
		switch {
		case string(key) == "code" && r.peek() == '"':
			code = marketo.CodeOf(r.text())
		case string(key) == "code":
			code = marketo.CodeOf(r.number())
		case string(key) == "message" && r.peek() == '"':
			text = r.text()
		default:
			r.skip()
		}
	})
	return code, text
}

// restRecord is one element of result. Its texts belong to the reader.
type restRecord struct {
	seq     int // -1 where it has none
	status  []byte
	reasons int
	// outcome, done, code and text are those of the gravest reason.
	outcome marketo.Outcome
	done    bool
	code    string
	text    []byte
}

func (rec *restRecord) read(r *jsonReader, op marketo.Operation) {
	*rec = restRecord{seq: -1}
	r.object(func(key []byte) {
		switch {
		case string(key) == "seq" && r.peek() != '"' && r.peek() != 'n':
			rec.seq = seqOf(r.number())
		case string(key) == "status" && r.peek() == '"':
			rec.status = r.text()
		case string(key) == "reasons" && r.peek() == '[':
			r.array(func() { rec.reason(r, op) })
		default:
			r.skip()
		}
	})
}

// reason takes in one reason. Of several the gravest decides: what must be
// looked at, before what waits, before what may be tried again.
func (rec *restRecord) reason(r *jsonReader, op marketo.Operation) {
	code, text := readReason(r)
	outcome, done := marketo.RecordOutcome(op, code)
	if rec.reasons++; rec.reasons == 1 || outcome > rec.outcome {
		rec.outcome, rec.done, rec.code, rec.text = outcome, done, code, text
	}
}

// seqOf reads an index; -1 where it is none.
func seqOf(text []byte) int {
	if n, err := strconv.ParseUint(string(text), 10, 31); err == nil {
		return int(n)
	}
	return -1
}

// result translates the record into SOAP's statuses: REST has no word for a
// record that failed, nor for one that was deleted before, it skips both. A
// record that succeeded with reasons contradicts itself and says nothing.
func (rec *restRecord) result(op marketo.Operation) marketo.Result {
	var status marketo.Status
	switch string(rec.status) {
	case "created":
		status = marketo.Created
	case "updated":
		status = marketo.Updated
	case "deleted":
		status = marketo.Deleted
	case "skipped":
		return rec.skipped(op)
	}
	if rec.reasons > 0 {
		return marketo.Result{Code: rec.code, Message: marketo.Brief(rec.text)}
	}
	return marketo.Result{Status: status, Outcome: marketo.OutcomeOf(op, status)}
}

func (rec *restRecord) skipped(op marketo.Operation) marketo.Result {
	res := marketo.Result{Code: rec.code, Message: marketo.Brief(rec.text)}
	switch {
	case rec.reasons == 0:
		res.Status, res.Outcome = marketo.Skipped, marketo.OutcomeOf(op, marketo.Skipped)
	case rec.done && op == marketo.Delete:
		res.Status, res.Outcome = marketo.Unchanged, marketo.Confirmed
	case rec.done:
		res.Status, res.Outcome = marketo.Skipped, marketo.Confirmed
	default:
		res.Status, res.Outcome = marketo.Failed, rec.outcome
	}
	return res
}
