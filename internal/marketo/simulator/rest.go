package simulator

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

const (
	// maxRESTObjects is the most records one REST call may carry.
	maxRESTObjects = 300
	// maxRESTBytes is the largest body; beyond it the answer is HTTP 413.
	maxRESTBytes = 1 << 20
	// maxURIBytes is the longest URI of a GET; beyond it the answer is HTTP 414.
	maxURIBytes = 8 << 10
	restPrefix  = "/rest/v1/"
)

func notFoundREST() *fault {
	return &fault{code: "610", message: "Requested resource not found"}
}

func blank(name string) *fault {
	return &fault{code: "701", message: name + " cannot be blank"}
}

// violated is the fault for what breaks a rule that has no code of its own in
// Marketo's table.
func violated(message, violation string) *fault {
	return &fault{code: "709", message: "Business Rule Violation: " + message, violation: violation}
}

func (s *Simulator) serveREST(w http.ResponseWriter, r *http.Request) {
	c := s.begin(apiREST, rest{s})
	body, ok := c.receive(w, r, maxRESTBytes)
	if !ok {
		return
	}
	req, f := s.parseREST(r, body)
	req.api = apiREST
	c.serve(w, r, req, f)
}

// parseREST routes a call and reads it.
func (s *Simulator) parseREST(r *http.Request, body string) (*request, *fault) {
	switch {
	case len(r.URL.RequestURI()) > maxURIBytes:
		return &request{}, &fault{code: "414", message: "Request-URI Too Long", status: http.StatusRequestURITooLong, violation: ViolationSize}
	case r.URL.Path == "/identity/oauth/token":
		return s.parseToken(r, body)
	}
	if f := s.authorise(r); f != nil {
		return &request{}, f
	}
	if strings.HasPrefix(r.URL.Path, bulkPrefix) {
		return s.parseBulk(r, body)
	}
	path, ok := strings.CutPrefix(r.URL.Path, restPrefix)
	if !ok {
		return &request{}, notFoundREST()
	}
	if path == "stats/usage.json" {
		return reading(r, &request{operation: opUsage, read: s.usage})
	}
	if path == "customobjects.json" {
		names := r.URL.Query().Get("names")
		return reading(r, &request{operation: opList, read: func() ([]byte, *fault) { return s.listTypes(names) }})
	}
	name, ok := strings.CutPrefix(path, "customobjects/")
	name, suffix := strings.CutSuffix(name, ".json")
	if !ok || !suffix {
		return &request{}, notFoundREST()
	}
	if name, ok := strings.CutPrefix(name, "schema/"); ok {
		return s.parseSchema(r, name)
	}
	return s.parseObjects(r, name, body)
}

// parseSchema routes what is under customobjects/schema/: the calls that a plan may
// lack.
func (s *Simulator) parseSchema(r *http.Request, name string) (*request, *fault) {
	typeName, action, _ := strings.Cut(name, "/")
	req := &request{typeName: typeName, operation: opAssets}
	table := s.store.find(typeName)
	switch {
	case action != "dependentAssets":
		return req, notFoundREST()
	case table != nil && table.schema.Load().assets == nil:
		// Whether Marketo looks at the type or at the plan first is not documented.
		return req, &fault{code: "616", message: "Invalid subscription type"}
	case table == nil || !apiName.MatchString(typeName):
		return req, notFoundREST()
	}
	req.read = func() ([]byte, *fault) { return dependentAssets(table), nil }
	return reading(r, req)
}

// parseObjects routes what is under customobjects/.
func (s *Simulator) parseObjects(r *http.Request, name, body string) (*request, *fault) {
	typeName, action, _ := strings.Cut(name, "/")
	table := s.store.find(typeName)
	req := &request{typeName: typeName}
	if table == nil || !apiName.MatchString(typeName) {
		return req, notFoundREST()
	}
	query := r.URL.Query()
	switch {
	case action == "describe":
		req.operation = opDescribe
		req.read = func() ([]byte, *fault) { return describeType(table), nil }
		return reading(r, req)
	case action == "delete":
		req.operation, req.mode, req.table = opDelete, modeDelete, table
	case action != "":
		return req, notFoundREST()
	case r.Method == http.MethodGet:
		req.operation = opGet
		return req, req.queryValues(table, query)
	case r.Method == http.MethodPost && query.Get("_method") == http.MethodGet:
		req.operation = opGet
		if isForm(r) {
			return req, req.queryForm(table, body)
		}
		if f := checkJSON(r); f != nil {
			return req, f
		}
		if s.opts.ListedKeys && len(table.schema.Load().key) == 1 {
			return req, &fault{code: "1003", message: "Invalid data"}
		}
		return req, req.queryBody(table, body)
	default:
		req.operation, req.table = opSync, table
	}
	if r.Method != http.MethodPost {
		return req, &fault{code: "605", message: "HTTP Method not supported", violation: ViolationMalformed}
	}
	if f := checkJSON(r); f != nil {
		return req, f
	}
	return req, req.parseWrites(body)
}

// reading lets only GET through.
func reading(r *http.Request, req *request) (*request, *fault) {
	if r.Method != http.MethodGet {
		return req, &fault{code: "605", message: "HTTP Method not supported", violation: ViolationMalformed}
	}
	return req, nil
}

func checkJSON(r *http.Request) *fault {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || media != "application/json" || named && !strings.EqualFold(charset, "utf-8") {
		return &fault{code: "612", message: "Invalid Content Type", violation: ViolationMalformed}
	}
	return nil
}

func invalidJSON(reason string) *fault {
	return &fault{code: "609", message: "Invalid JSON: " + reason, violation: ViolationMalformed}
}

// parseWrites reads the body of a sync or delete call. Members that the
// contract does not know are refused.
func (req *request) parseWrites(body string) *fault {
	action, by := "action", "dedupeBy"
	if req.operation == opDelete {
		action, by = "", "deleteBy"
	}
	words := map[string]string{by: "dedupeFields"}
	input := false
	f := eachMember(body, func(name string, scan *jsonScanner) *fault {
		switch name {
		case "input":
			input = true
			return req.parseInput(scan)
		case action, by:
			text, structure := scan.scalar()
			if structure {
				return violated(name+" must be text", ViolationMalformed)
			}
			words[name] = text
			return nil
		}
		return violated("unknown member "+name, ViolationMalformed)
	})
	switch {
	case f != nil:
		return f
	case !input || len(req.objects) == 0:
		return blank("input")
	case len(req.objects) > maxRESTObjects:
		return violated(fmt.Sprintf("%d records in one call, %d are allowed", len(req.objects), maxRESTObjects), ViolationSize)
	case words[by] == "idField" && req.operation == opDelete:
		return req.byID()
	case words[by] != "dedupeFields":
		// Marketo also updates by idField; the simulator only deletes by it.
		return violated(by+" must be dedupeFields", ViolationMalformed)
	}
	if req.operation == opDelete {
		return nil
	}
	switch words[action] {
	case "createOrUpdate", "": // Marketo's default
		req.mode = modeUpsert
	case "createOnly":
		req.mode = modeInsert
	case "updateOnly":
		req.mode = modeUpdate
	default:
		return violated("action "+words[action], ViolationMalformed)
	}
	return nil
}

// eachMember calls do for each member of the object that body must be. do
// consumes the member's value.
func eachMember(body string, do func(name string, scan *jsonScanner) *fault) *fault {
	scan, err := newJSONScanner(body)
	if err != nil {
		return invalidJSON(err.Error())
	}
	if !scan.accept('{') {
		return invalidJSON("not an object")
	}
	seen := map[string]bool{}
	for first := true; scan.more('}', &first); {
		name := scan.member()
		if seen[name] {
			return invalidJSON("member " + name + " stands twice")
		}
		seen[name] = true
		if f := do(name, scan); f != nil {
			return f
		}
	}
	return nil
}

// parseInput reads the records of a call.
func (req *request) parseInput(scan *jsonScanner) *fault {
	if !scan.accept('[') {
		return violated("input must be an array", ViolationMalformed)
	}
	var flat []attribute
	var ends []int
	for first := true; scan.more(']', &first); {
		if !scan.accept('{') {
			return violated("input must hold objects", ViolationMalformed)
		}
		start := len(flat)
		for first := true; scan.more('}', &first); {
			name := scan.member()
			for _, other := range flat[start:] {
				if other.name == name {
					return invalidJSON("member " + name + " stands twice")
				}
			}
			value, structure := scan.scalar()
			flat = append(flat, attribute{name, value, structure})
		}
		ends = append(ends, len(flat))
	}
	req.objects = make([]object, len(ends))
	start := 0
	for i, end := range ends {
		req.objects[i].attributes = flat[start:end:end]
		start = end
	}
	return nil
}
