package simulator

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

// guids returns the identifiers of an object: two where it is there twice.
func (o *stored) guids(typeName, key string) []string {
	guids := []string{string(appendGUID(nil, typeName, key))}
	if o.doubled {
		guids = append(guids, string(appendGUID(nil, typeName, key+"\x00twin")))
	}
	return guids
}

// queryValues reads a query that names its values in parameters, of the URL or
// of a form, which only filters of one field can have.
func (req *request) queryValues(t *table, query url.Values) *fault {
	schema := t.schema.Load()
	q := objectQuery{table: t, filter: query.Get("filterType"), page: query.Get("nextPageToken")}
	if f := q.check(schema); f != nil {
		return f
	}
	if q.field == "" {
		return violated("compound dedupeFields need POST with _method=GET and JSON", ViolationMalformed)
	}
	if query.Get("filterValues") == "" {
		return blank("filterValues")
	}
	for _, value := range strings.Split(query.Get("filterValues"), ",") {
		q.input = append(q.input, object{attributes: []attribute{{name: q.field, value: value}}})
	}
	if list := query.Get("fields"); list != "" {
		q.fields = strings.Split(list, ",")
	}
	return req.prepareQuery(&q, query.Get("batchSize"))
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
	return req.queryValues(t, query)
}

// queryBody reads a query that names its objects in the body.
func (req *request) queryBody(t *table, body string) *fault {
	q, size := objectQuery{table: t}, ""
	f := eachMember(body, func(name string, scan *jsonScanner) *fault {
		switch name {
		case "filterType":
			q.filter, _ = scan.scalar()
		case "batchSize":
			size, _ = scan.scalar()
		case "nextPageToken":
			q.page, _ = scan.scalar()
		case "fields":
			if !scan.accept('[') {
				return violated("fields must be an array", ViolationMalformed)
			}
			for first := true; scan.more(']', &first); {
				field, _ := scan.scalar()
				q.fields = append(q.fields, field)
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
	if f := q.check(t.schema.Load()); f != nil {
		return f
	}
	if len(req.objects) == 0 {
		return blank("input")
	}
	q.input, req.objects = req.objects, nil // the call carries none
	return req.prepareQuery(&q, size)
}

// objectQuery is one query of objects.
type objectQuery struct {
	table  *table
	filter string
	// field is the one that the filter is of; "" for several dedupe fields.
	field  string
	input  []object
	fields []string
	page   string
	from   int // what page stands for
	size   int
}

// check accepts dedupeFields, idField, and the name of a searchable field.
func (q *objectQuery) check(schema *schema) *fault {
	one := ""
	if len(schema.key) == 1 {
		one = schema.dedupe()[0]
	}
	switch {
	case q.filter == "":
		return blank("filterType")
	case q.filter == "dedupeFields", one != "" && q.filter == one:
		q.field = one
	case q.filter == "idField", q.filter == guidField:
		q.field = guidField
	case schema.link.Field != "" && q.filter == schema.link.Field:
		q.field = q.filter
	default:
		return violated("filterType "+q.filter, ViolationMalformed)
	}
	return nil
}

// prepareQuery makes the call read the objects it names.
func (req *request) prepareQuery(q *objectQuery, size string) *fault {
	if len(q.input) > maxRESTObjects {
		return violated(fmt.Sprintf("%d values in one query, %d are allowed", len(q.input), maxRESTObjects), ViolationSize)
	}
	var f *fault
	if q.size, q.from, f = pageOf(size, q.page); f != nil {
		return f
	}
	schema := q.table.schema.Load()
	if len(q.fields) == 0 {
		q.fields = append([]string{guidField, createdField, updatedField}, schema.dedupe()...)
	}
	for _, name := range q.fields {
		_, known := schema.columns[name]
		if !known && !schema.open && !slices.Contains([]string{guidField, createdField, updatedField}, name) {
			return &fault{code: "1006", message: "Field '" + name + "' not found"}
		}
	}
	req.read = func() ([]byte, *fault) { return q.run(schema) }
	return nil
}

func (q *objectQuery) run(schema *schema) ([]byte, *fault) {
	keys, f := q.find(schema)
	if f != nil {
		return nil, f
	}
	result := []map[string]any{}
	for _, found := range keys {
		object, ok := q.table.get(found.key)
		if !ok {
			continue
		}
		for _, guid := range object.guids(schema.name, found.key) {
			if found.guid != "" && found.guid != guid {
				continue
			}
			record := schema.record(guid, object, q.fields)
			record["seq"] = len(result)
			result = append(result, record)
		}
	}
	return paged(result, q.from, q.size), nil
}

// pageOf reads which page of an answer is asked for: how much it has, and where it
// begins.
func pageOf(batchSize, token string) (size, from int, f *fault) {
	size = maxRESTObjects
	if batchSize != "" {
		n, err := strconv.Atoi(batchSize)
		if err != nil || n < 1 || n > maxRESTObjects {
			return 0, 0, violated("batchSize "+batchSize, ViolationMalformed)
		}
		size = n
	}
	if token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 0 {
			return 0, 0, violated("nextPageToken", ViolationMalformed)
		}
	}
	return size, from, nil
}

// paged answers with a page of a result.
func paged[T any](result []T, from, size int) []byte {
	from = min(from, len(result))
	to := min(from+size, len(result))
	if to == len(result) {
		return restSuccess(result[from:])
	}
	return restPage(result[from:to], base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(to))))
}

// foundObject is the key of an object, and with guid one of those of the key.
type foundObject struct{ key, guid string }

func (q *objectQuery) find(schema *schema) (found []foundObject, f *fault) {
	if q.filter == "dedupeFields" || q.field != guidField && q.field != schema.link.Field {
		for _, e := range resolve(&request{api: apiREST, table: q.table, objects: q.input}) {
			if e.problem != nil {
				return nil, &fault{code: e.problem.code, message: e.problem.message}
			}
			found = append(found, foundObject{key: e.key})
		}
		return found, nil
	}
	wanted := map[string]bool{}
	for _, o := range q.input {
		if len(o.attributes) != 1 || o.attributes[0].name != q.field {
			return nil, violated("input must have "+q.field+" and nothing else", ViolationMalformed)
		}
		wanted[o.attributes[0].value] = true
	}
	values := make([]string, len(schema.fields))
	for _, key := range q.table.keys() {
		object, ok := q.table.get(key)
		if !ok {
			continue
		}
		if q.field == guidField {
			for _, guid := range object.guids(schema.name, key) {
				if wanted[guid] {
					found = append(found, foundObject{key, guid})
				}
			}
			continue
		}
		readRow(object.row, values)
		if wanted[values[schema.columns[q.field]]] {
			found = append(found, foundObject{key: key})
		}
	}
	return found, nil
}

// record returns the fields of an object as JSON has them; null fields are
// left out, as Marketo does.
func (s *schema) record(guid string, object stored, fields []string) map[string]any {
	record := map[string]any{}
	stored := s.fieldsOf(object.row)
	for _, name := range append([]string{guidField}, fields...) {
		switch name {
		case guidField:
			record[name] = guid
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
	searchable := [][]string{schema.dedupe(), {guidField}}
	if schema.link.Field != "" {
		searchable = append(searchable, []string{schema.link.Field})
	}
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

// dependentAssets answers with what uses an object type.
func dependentAssets(t *table) []byte {
	result := []any{}
	for _, a := range t.schema.Load().assets {
		fields := a.Fields
		if fields == nil {
			fields = []string{}
		}
		result = append(result, map[string]any{"assetType": a.Type, "assetId": a.ID, "assetName": a.Name, "usedFields": fields})
	}
	return restSuccess(result)
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
	return restDocument(map[string]any{"requestId": requestID(), "success": true, "result": result})
}

// restPage wraps a page of a result that goes on at next.
func restPage(result any, next string) []byte {
	return restDocument(map[string]any{"requestId": requestID(), "success": true, "result": result, "nextPageToken": next, "moreResult": true})
}

func restDocument(document map[string]any) []byte {
	body, err := json.Marshal(document)
	if err != nil { // nothing of ours cannot be marshalled
		return []byte(`{"requestId":"0","success":false,"errors":[{"code":"611","message":"System error"}]}`)
	}
	return body
}
