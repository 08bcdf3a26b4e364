package simulator

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
)

// reply is the answer to one call.
type reply struct {
	status      int
	contentType string
	retryAfter  int // seconds; zero for none
	location    string
	header      http.Header // more of it; nil for none
	body        []byte
	fault       *fault // why the call was refused; nil when it was not
}

func htmlPage(text string) []byte {
	return []byte("<!DOCTYPE html>\n<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n")
}

// page is the answer of a rule with a bare HTTP status.
func (r *Rule) page() *reply {
	answer := &reply{status: r.Status, contentType: "text/html; charset=UTF-8", body: []byte(r.Body), retryAfter: r.RetryAfter, location: r.Location}
	if r.Body == "" {
		answer.body = htmlPage(strconv.Itoa(r.Status) + " " + http.StatusText(r.Status))
	}
	answer.fault = &fault{code: "http_" + strconv.Itoa(r.Status)}
	return answer
}

// send writes the answer, spoilt, cut or slowed down as the rule asks.
func (a *reply) send(w http.ResponseWriter, r *http.Request, rule *armed) {
	var do Rule
	if rule != nil {
		do = rule.Rule
	}
	a.spoil(do.Reply)
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.location != "" {
		header.Set("Location", a.location)
	}
	w.WriteHeader(a.status)
	body := a.body
	if do.Cut > 0 && do.Cut < len(body) {
		body = body[:do.Cut]
	}
	if err := a.write(w, r, body, &do); err != nil {
		return // the client has gone
	}
	if len(body) < len(a.body) {
		_ = http.NewResponseController(w).Flush() // what cannot be flushed is cut even shorter
		panic(http.ErrAbortHandler)
	}
}

func (a *reply) write(w http.ResponseWriter, r *http.Request, body []byte, do *Rule) error {
	if do.Drip == 0 {
		_, err := w.Write(body)
		return err
	}
	for piece := range slices.Chunk(body, 64) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
		_ = http.NewResponseController(w).Flush() // a writer that cannot is only less slow
		if err := pause(r.Context(), do.Drip); err != nil {
			return err
		}
	}
	return nil
}

// spoil changes the document; arrange has changed the statuses.
func (a *reply) spoil(how Spoil) {
	switch how {
	case SpoilMalformed:
		a.body = a.body[:len(a.body)*2/3]
	case SpoilHTML:
		a.status, a.contentType, a.body = http.StatusOK, "text/html", htmlPage("Maintenance")
	case SpoilEmpty:
		a.body = nil
	case SpoilBoth:
		f := &fault{code: "20011", message: "Internal error"}
		a.body = bytes.Replace(a.body, []byte(soapClose), append(faultElement("Server", f), soapClose...), 1)
		a.body = bytes.Replace(a.body, []byte(`"success":true`), []byte(`"success":true,"errors":[{"code":"611","message":"System error"}]`), 1)
	}
}

// arrange puts the statuses of a call in the order of the answer and spoils
// them.
func arrange(results []result, how Spoil) []line {
	lines := make([]line, len(results), len(results)+1)
	for i := range results {
		lines[i] = line{place: i, result: results[i]}
	}
	switch how {
	case SpoilMissing:
		lines = lines[1:]
	case SpoilDoubled:
		lines = append(lines, lines[0])
	case SpoilForeign:
		lines[0].foreign = true
	case SpoilUnknown:
		lines[0].status = "PENDING"
	case SpoilReversed:
		slices.Reverse(lines)
	}
	return lines
}
