package simulator

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

const (
	guidField    = "marketoGUID"
	createdField = "createdAt"
	updatedField = "updatedAt"
)

// guid is derived from type and key, so that it stays the same. Marketo gives
// an object that is created again another one.
func guid(typeName, key string) string {
	h := fnv.New128a()
	h.Write([]byte(fold(typeName)))
	h.Write([]byte{0})
	h.Write([]byte(key))
	sum := h.Sum(nil)
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
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
			record[name] = guid(s.name, key)
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
		"relationships":    []any{},
	}
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
