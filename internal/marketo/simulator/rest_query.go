package simulator

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	guidField    = "marketoGUID"
	createdField = "createdAt"
	updatedField = "updatedAt"
)

// appendGUID appends the identifier of an object. It is derived from type and
// key, so that it stays the same; Marketo gives an object that is created
// again another one.
func appendGUID(dst []byte, typeName, key string) []byte {
	h := fnv.New128a()
	_, _ = io.WriteString(h, fold(typeName)) // a hash takes everything
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, key)
	var sum [16]byte
	h.Sum(sum[:0])
	for i, at := range [...]int{0, 4, 6, 8, 10} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, sum[at:[...]int{4, 6, 8, 10, 16}[i]])
	}
	return dst
}

// queryURL reads a query that names its values in the URL, which only types
// with one dedupe field can have.
func (req *request) queryURL(t *table, query url.Values) *fault {
	schema := t.schema.Load()
	if f := checkFilter(schema, query.Get("filterType")); f != nil {
		return f
	}
	if len(schema.key) != 1 {
		return violated("compound dedupeFields need POST with _method=GET", ViolationMalformed)
	}
	if query.Get("filterValues") == "" {
		return blank("filterValues")
	}
	for _, value := range strings.Split(query.Get("filterValues"), ",") {
		req.objects = append(req.objects, object{attributes: []attribute{{name: schema.dedupe()[0], value: value}}})
	}
	var fields []string
	if list := query.Get("fields"); list != "" {
		fields = strings.Split(list, ",")
	}
	return req.prepareQuery(t, fields)
}

// isForm reports whether a body has the parameters of a query as a URL would.
func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// queryForm reads a query whose parameters stand in the body.
func (req *request) queryForm(t *table, body string) *fault {
	query, err := url.ParseQuery(body)
	if err != nil {
		return violated("the form cannot be read", ViolationMalformed)
	}
	for name := range query {
		if !slices.Contains([]string{"filterType", "filterValues", "fields", "batchSize", "nextPageToken"}, name) {
			return violated("unknown parameter "+name, ViolationMalformed)
		}
	}
	return req.queryURL(t, query)
}

// queryBody reads a query that names its objects in the body.
func (req *request) queryBody(t *table, body string) *fault {
	filter := ""
	var fields []string
	f := eachMember(body, func(name string, scan *jsonScanner) *fault {
		switch name {
		case "filterType":
			filter, _ = scan.scalar()
		case "batchSize":
			scan.scalar() // never less than what is asked for: one page holds all
		case "fields":
			if !scan.accept('[') {
				return violated("fields must be an array", ViolationMalformed)
			}
			for first := true; scan.more(']', &first); {
				field, _ := scan.scalar()
				fields = append(fields, field)
			}
		case "input":
			return req.parseInput(scan)
		default:
			return violated("unknown member "+name, ViolationMalformed)
		}
		return nil
	})
	if f != nil {
		return f
	}
	if f := checkFilter(t.schema.Load(), filter); f != nil {
		return f
	}
	if len(req.objects) == 0 {
		return blank("input")
	}
	return req.prepareQuery(t, fields)
}

// checkFilter accepts dedupeFields, and the name of the only dedupe field.
func checkFilter(schema *schema, filter string) *fault {
	switch {
	case filter == "":
		return blank("filterType")
	case filter == "dedupeFields", len(schema.key) == 1 && filter == schema.dedupe()[0]:
		return nil
	}
	return violated("filterType "+filter, ViolationMalformed)
}

// prepareQuery makes the call read the objects it names.
func (req *request) prepareQuery(t *table, fields []string) *fault {
	if len(req.objects) > maxRESTObjects {
		return violated(fmt.Sprintf("%d values in one query, %d are allowed", len(req.objects), maxRESTObjects), ViolationSize)
	}
	schema := t.schema.Load()
	if len(fields) == 0 {
		fields = append([]string{guidField, createdField, updatedField}, schema.dedupe()...)
	}
	for _, name := range fields {
		_, known := schema.columns[name]
		if !known && !slices.Contains([]string{guidField, createdField, updatedField}, name) {
			return &fault{code: "1006", message: "Field '" + name + "' not found"}
		}
	}
	lookups := &request{api: apiREST, table: t, objects: req.objects}
	req.objects = nil // the call carries none
	req.read = func() ([]byte, *fault) {
		result := []map[string]any{}
		for _, e := range resolve(lookups) {
			if e.problem != nil {
				return nil, &fault{code: e.problem.code, message: e.problem.message}
			}
			if object, ok := t.get(e.key); ok {
				record := schema.record(e.key, object, fields)
				record["seq"] = len(result)
				result = append(result, record)
			}
		}
		return restSuccess(result), nil
	}
	return nil
}

// record returns the fields of an object as JSON has them; null fields are
// left out, as Marketo does.
func (s *schema) record(key string, object stored, fields []string) map[string]any {
	record := map[string]any{}
	stored := s.fieldsOf(object.row)
	for _, name := range append([]string{guidField}, fields...) {
		switch name {
		case guidField:
			record[name] = string(appendGUID(nil, s.name, key))
		case createdField:
			record[name] = time.Unix(object.created, 0).UTC().Format(time.RFC3339)
		case updatedField:
			record[name] = time.Unix(object.updated, 0).UTC().Format(time.RFC3339)
		default:
			if text, ok := stored[name]; ok {
				record[name] = s.fields[s.columns[name]].jsonValue(text)
			}
		}
	}
	return record
}

// jsonValue is a stored value as the type's own JSON kind.
func (f *Field) jsonValue(text string) any {
	switch f.Type {
	case Integer, Float, Currency:
		return json.Number(text)
	case Boolean:
		return text == "true"
	}
	return text
}

// typeRecord is the description that list and describe share.
func (t *table) typeRecord() map[string]any {
	schema := t.schema.Load()
	at := t.created.UTC().Format(time.RFC3339)
	searchable := [][]string{schema.dedupe()}
	return map[string]any{
		"name": schema.name, "displayName": schema.name, "description": "",
		"createdAt": at, "updatedAt": at, "idField": guidField,
		"dedupeFields":     schema.dedupe(),
		"searchableFields": searchable,
		"relationships":    schema.relationships(),
	}
}

func (s *schema) relationships() []any {
	if s.link.Field == "" {
		return []any{}
	}
	return []any{map[string]any{"field": s.link.Field, "type": "child",
		"relatedTo": map[string]any{"name": "Lead", "field": s.link.Lead}}}
}

func describeType(t *table) []byte {
	schema := t.schema.Load()
	fields := []map[string]any{
		{"name": guidField, "displayName": "Marketo GUID", "dataType": "string", "length": 36, "updateable": false},
		{"name": createdField, "displayName": "Created At", "dataType": "datetime", "updateable": false},
		{"name": updatedField, "displayName": "Updated At", "dataType": "datetime", "updateable": false},
	}
	for column := range schema.fields {
		field := &schema.fields[column]
		entry := map[string]any{
			"name": field.Name, "displayName": field.Name, "dataType": field.dataType(),
			"updateable": !schema.isKey(column),
		}
		if length := field.length(); length > 0 {
			entry["length"] = length
		}
		fields = append(fields, entry)
	}
	record := t.typeRecord()
	record["fields"] = fields
	if schema.open {
		record["learnt"] = true // Marketo has no such member: its types are never learnt
	}
	return restSuccess([]any{record})
}

// listTypes describes all types, or those in the comma-separated names.
func (s *Simulator) listTypes(names string) ([]byte, *fault) {
	wanted := strings.Split(fold(names), ",")
	result := []any{}
	for _, t := range s.store.all() {
		if names == "" || slices.Contains(wanted, fold(t.schema.Load().name)) {
			result = append(result, t.typeRecord())
		}
	}
	return restSuccess(result), nil
}

// usage answers with the calls of the day.
func (s *Simulator) usage() ([]byte, *fault) {
	day, calls := s.limiter.used(apiREST)
	return restSuccess([]any{map[string]any{
		"date": day, "total": calls,
		"users": []any{map[string]any{"userId": "simulator@cdcsync.example", "count": calls}},
	}}), nil
}

// restSuccess wraps a result.
func restSuccess(result any) []byte {
	body, err := json.Marshal(map[string]any{"requestId": requestID(), "success": true, "result": result})
	if err != nil { // nothing of ours cannot be marshalled
		return []byte(`{"requestId":"0","success":false,"errors":[{"code":"611","message":"System error"}]}`)
	}
	return body
}
