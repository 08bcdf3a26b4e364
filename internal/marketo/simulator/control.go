package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxControlBytes bounds the body of a control request.
const maxControlBytes = 1 << 20

// serveControl is the control API: what the Go methods do, over HTTP, for
// tests and people in another process. It asks for no credentials.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/_simulator/")
	routes := map[string]func(http.ResponseWriter, *http.Request){
		"GET objects":   s.showTypes,
		"POST objects":  s.postTypes,
		"GET calls":     s.showCalls,
		"GET stats":     func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) },
		"GET faults":    func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.rules.list()) },
		"POST faults":   s.postFaults,
		"DELETE faults": done(s.Heal),
		"POST latency":  s.postLatency,
		"POST limits":   s.postLimits,
		"POST release":  done(s.Release),
		"POST expire":   done(s.ExpireTokens),
		"POST reset":    done(s.Reset),
	}
	if route := routes[r.Method+" "+path]; route != nil {
		route(w, r)
		return
	}
	if name, ok := strings.CutPrefix(path, "objects/"); ok && r.Method == http.MethodGet {
		s.showObjects(w, r, name)
		return
	}
	if name, ok := strings.CutPrefix(path, "history/"); ok && r.Method == http.MethodGet {
		writeJSON(w, s.History(name, r.URL.Query().Get("key")))
		return
	}
	http.NotFound(w, r)
}

func done(do func()) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		do()
		w.WriteHeader(http.StatusNoContent)
	}
}

func writeJSON(w http.ResponseWriter, value any) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // an error here means that nobody reads
}

// readControl decodes the body strictly and answers 400 when it cannot.
func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxControlBytes))
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(into); err == nil && decoder.More() {
			err = fmt.Errorf("more than one value")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

// page reads limit and offset.
func page(r *http.Request, length, limit int) (from, to int, err error) {
	for name, number := range map[string]*int{"offset": &from, "limit": &limit} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *number, err = strconv.Atoi(text); err != nil || *number < 0 {
			return 0, 0, fmt.Errorf("%s must be a whole number", name)
		}
	}
	from = min(from, length)
	return from, from + min(limit, length-from), nil
}

type typeView struct {
	Name   string   `json:"name"`
	Dedupe []string `json:"dedupe"`
	Fields []string `json:"fields"`
	Count  int      `json:"count"`
}

func (s *Simulator) showTypes(w http.ResponseWriter, _ *http.Request) {
	views := []typeView{}
	for _, t := range s.store.all() {
		schema := t.schema.Load()
		view := typeView{Name: schema.name, Dedupe: schema.dedupe(), Count: t.size()}
		for _, field := range schema.fields {
			view.Fields = append(view.Fields, field.Name)
		}
		views = append(views, view)
	}
	writeJSON(w, views)
}

type objectView struct {
	Key    string            `json:"key"`
	Fields map[string]string `json:"fields"`
	// Doubled is set when two calls have created it at the same time.
	Doubled bool `json:"doubled,omitempty"`
}

// showObjects shows objects in the order of keys, 100 unless limit says more.
func (s *Simulator) showObjects(w http.ResponseWriter, r *http.Request, name string) {
	t := s.store.find(name)
	if t == nil {
		http.NotFound(w, r)
		return
	}
	keys := t.keys()
	if key := r.URL.Query().Get("key"); key != "" {
		keys = []string{key}
	}
	from, to, err := page(r, len(keys), 100)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	schema := t.schema.Load()
	objects := []objectView{}
	for _, key := range keys[from:to] {
		if object, ok := t.get(key); ok {
			objects = append(objects, objectView{key, schema.fieldsOf(object.row), object.doubled})
		}
	}
	writeJSON(w, map[string]any{"type": schema.name, "count": t.size(), "objects": objects})
}

// showCalls shows the newest 100 calls, or limit calls from offset.
func (s *Simulator) showCalls(w http.ResponseWriter, r *http.Request) {
	calls := s.Calls()
	from, to, err := page(r, len(calls), 100)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !r.URL.Query().Has("offset") {
		from, to = len(calls)-(to-from), len(calls)
	}
	writeJSON(w, map[string]any{"count": len(calls), "calls": slices.Clip(calls[from:to])})
}

// postFaults takes one rule or an array of them.
func (s *Simulator) postFaults(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if !readControl(w, r, &raw) {
		return
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		raw = append(append([]byte{'['}, raw...), ']')
	}
	var rules []Rule
	if err := json.Unmarshal(raw, &rules); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.rules.add(rules)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) postLatency(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Fixed   duration `json:"fixed"`
		Jitter  float64  `json:"jitter"`
		Tail    float64  `json:"tail"`
		Stretch float64  `json:"stretch"`
	}
	if !readControl(w, r, &body) {
		return
	}
	latency := Latency{Fixed: time.Duration(body.Fixed), Jitter: body.Jitter, Tail: body.Tail, Stretch: body.Stretch}
	if latency.Fixed < 0 || !probability(latency.Jitter) || !probability(latency.Tail) || latency.Stretch < 0 {
		http.Error(w, "fixed and stretch must not be negative, jitter and tail are between 0 and 1", http.StatusBadRequest)
		return
	}
	s.SetLatency(latency)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) postLimits(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Calls      int      `json:"calls"`
		Window     duration `json:"window"`
		Concurrent int      `json:"concurrent"`
		SOAPDaily  int      `json:"soap_daily"`
		RESTDaily  int      `json:"rest_daily"`
	}
	if !readControl(w, r, &body) {
		return
	}
	limits := Limits{Calls: body.Calls, Window: time.Duration(body.Window), Concurrent: body.Concurrent, SOAPDaily: body.SOAPDaily, RESTDaily: body.RESTDaily}
	if min(limits.Calls, limits.Concurrent, limits.SOAPDaily, limits.RESTDaily) < 0 || limits.Window < 0 {
		http.Error(w, "limits must not be negative; 0 lifts one", http.StatusBadRequest)
		return
	}
	s.SetLimits(limits)
	w.WriteHeader(http.StatusNoContent)
}
