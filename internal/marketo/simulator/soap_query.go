package simulator

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"
)

// soapQuery is one getCustomObjects call. Pages are in the order of keys, and
// a stream position is the last key of a page: objects that come and go
// between two pages neither repeat nor hide others.
type soapQuery struct {
	table    *table
	position string
	size     int
	filter   []attribute // all must match; any field may be named
	include  []string    // empty means all
}

func (q *soapQuery) run() ([]byte, *fault) {
	schema := q.table.schema.Load()
	for _, name := range q.include {
		if _, ok := schema.columns[name]; !ok && !schema.open {
			return nil, badParameter("unknown attribute " + name)
		}
	}
	matches, f := q.matches(schema)
	if f != nil {
		return nil, f
	}
	if q.position != "" {
		after, err := base64.StdEncoding.DecodeString(q.position)
		if err != nil {
			return nil, &fault{code: "20122", message: "Bad stream position"}
		}
		from, found := slices.BinarySearch(matches, string(after))
		if found {
			from++
		}
		matches = matches[from:]
	}
	page := matches[:min(len(matches), q.size)]
	position := q.position
	if len(page) > 0 {
		position = base64.StdEncoding.EncodeToString([]byte(page[len(page)-1]))
	}
	return q.answer(schema, page, len(matches)-len(page), position), nil
}

// matches returns the keys of the objects that pass the filter, in order.
func (q *soapQuery) matches(schema *schema) ([]string, *fault) {
	if len(q.filter) == 0 {
		return q.table.keys(), nil
	}
	wanted := make(map[int]string, len(q.filter))
	keys := 0
	for _, a := range q.filter {
		column, ok := schema.columns[a.name]
		if !ok {
			return nil, badParameter("unknown attribute " + a.name)
		}
		value, p := schema.fields[column].normalise(a.value)
		if p != nil {
			return nil, badParameter("value of key attribute " + a.name)
		}
		if schema.isKey(column) {
			keys++
		}
		wanted[column] = value
	}
	candidates := q.table.keys
	if keys == len(schema.key) {
		values := make([]string, 0, len(schema.key))
		for _, column := range schema.key {
			values = append(values, wanted[column])
		}
		candidates = func() []string { return []string{schema.keyOf(values...)} }
	}
	var matches []string
	values := make([]string, len(schema.fields))
	for _, key := range candidates() {
		object, ok := q.table.get(key)
		if !ok {
			continue
		}
		readRow(object.row, values)
		passes := true
		for column, value := range wanted {
			passes = passes && schema.same(column, values[column], value)
		}
		if passes {
			matches = append(matches, key)
		}
	}
	return matches, nil
}

func (q *soapQuery) answer(schema *schema, page []string, remaining int, position string) []byte {
	var list []byte
	count := 0
	values := make([]string, len(schema.fields))
	for _, key := range page {
		object, ok := q.table.get(key)
		if !ok {
			continue // deleted meanwhile
		}
		readRow(object.row, values)
		for range object.guids(schema.name, key) {
			count++
			list = q.appendObject(list, schema, values)
		}
	}
	body := openSuccess(nil, "GetCustomObjects")
	body = append(body, "<result>"...)
	body = appendElement(body, "objTypeName", schema.name)
	body = appendElement(body, "returnCount", strconv.Itoa(count))
	body = appendElement(body, "remainingCount", strconv.Itoa(remaining))
	body = appendElement(body, "newStreamPosition", position)
	body = append(body, "<customObjList>"...)
	body = append(body, list...)
	body = append(body, "</customObjList></result>"...)
	return closeSuccess(body, "GetCustomObjects")
}

func (q *soapQuery) appendObject(dst []byte, schema *schema, values []string) []byte {
	dst = append(dst, "<customObj><customObjKeyList>"...)
	for _, column := range schema.key {
		dst = appendAttribute(dst, schema.fields[column].Name, values[column])
	}
	dst = append(dst, "</customObjKeyList><customObjAttributeList>"...)
	for column, value := range values {
		field := &schema.fields[column]
		if value == "" || schema.isKey(column) || len(q.include) > 0 && !slices.Contains(q.include, field.Name) {
			continue
		}
		dst = appendAttribute(dst, field.Name, value)
	}
	return append(dst, "</customObjAttributeList></customObj>"...)
}

// listMObjects answers with the names of all object types.
func (s *Simulator) listMObjects() ([]byte, *fault) {
	body := append(openSuccess(nil, "ListMObjects"), "<result>"...)
	for _, t := range s.store.all() {
		body = appendElement(body, "objects", t.schema.Load().name)
	}
	return closeSuccess(append(body, "</result>"...), "ListMObjects"), nil
}

// describeMObject answers with the fields of an object type.
func (t *table) describeMObject() ([]byte, *fault) {
	schema := t.schema.Load()
	at := t.created.UTC().Format(time.RFC3339)
	body := append(openSuccess(nil, "DescribeMObject"), "<result><metadata>"...)
	body = appendElement(body, "name", schema.name)
	body = append(body, `<description xsi:nil="true"/><isCustom>true</isCustom><isVirtual>false</isVirtual><fieldList>`...)
	for column := range schema.fields {
		field := &schema.fields[column]
		body = append(body, "<field>"...)
		body = appendElement(body, "name", field.Name)
		body = append(body, `<description xsi:nil="true"/>`...)
		body = appendElement(body, "displayName", field.Name)
		body = append(body, `<sourceObject xsi:nil="true"/>`...)
		body = appendElement(body, "dataType", field.dataType())
		if length := field.length(); length > 0 {
			body = appendElement(body, "size", strconv.Itoa(length))
		} else {
			body = append(body, `<size xsi:nil="true"/>`...)
		}
		body = append(body, `<isReadonly>false</isReadonly><isUpdateBlocked>false</isUpdateBlocked><isName xsi:nil="true"/>`...)
		body = appendElement(body, "isPrimaryKey", strconv.FormatBool(schema.isKey(column)))
		body = append(body, `<isCustom>true</isCustom><isDynamic>false</isDynamic><dynamicFieldRef xsi:nil="true"/>`...)
		body = appendElement(body, "updatedAt", at)
		body = append(body, "</field>"...)
	}
	body = append(body, "</fieldList>"...)
	body = appendElement(body, "updatedAt", at)
	return closeSuccess(append(body, "</metadata></result>"...), "DescribeMObject"), nil
}
