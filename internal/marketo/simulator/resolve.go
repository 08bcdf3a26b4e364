package simulator

import "strings"

// edit is what a call does to one object, resolved against the schema.
type edit struct {
	key string
	// guid is the one of the key that is meant; "" for all.
	guid string
	set  []assignment
	// problem is set when the object is refused; nothing else is then valid.
	problem *problem
}

type assignment struct {
	column int
	value  string
}

// resolver turns the objects of one call into edits. It runs without a lock;
// only a learnt type that grows takes one.
type resolver struct {
	table  *table
	schema *schema
	api    string
	flat   []assignment
	names  []resolved // names of the call so far, by place: objects repeat them
	values []string
}

type resolved struct {
	name   string
	column int
}

// resolve returns one edit per object of req.
func resolve(req *request) []edit {
	if req.ids {
		return req.table.identified(req.objects)
	}
	r := &resolver{table: req.table, schema: req.table.schema.Load(), api: req.api}
	edits := make([]edit, len(req.objects))
	total := 0
	for i := range req.objects {
		total += len(req.objects[i].keys) + len(req.objects[i].attributes)
	}
	r.flat = make([]assignment, 0, total)
	for i := range req.objects {
		edits[i] = r.object(&req.objects[i])
	}
	return edits
}

func (r *resolver) object(o *object) edit {
	start := len(r.flat)
	for place := range o.keys {
		if p := r.assign(&o.keys[place], place, start, inKeys); p != nil {
			return edit{problem: p}
		}
	}
	rest := anywhere
	if r.api == apiSOAP {
		rest = inAttributes
	}
	for place := range o.attributes {
		if p := r.assign(&o.attributes[place], len(o.keys)+place, start, rest); p != nil {
			return edit{problem: p}
		}
	}
	set := r.flat[start:len(r.flat):len(r.flat)]
	key, missing := r.key(set)
	if missing != "" {
		if r.api == apiSOAP {
			return edit{problem: &problem{"1002", "Missing key attribute: " + missing}}
		}
		return edit{problem: &problem{"1002", "Missing value for the required parameter '" + missing + "'"}}
	}
	return edit{key: key, set: set}
}

// list says in which list of an object an attribute stands. REST has but one.
type list uint8

const (
	anywhere list = iota
	inKeys
	inAttributes
)

// assign appends one assignment to the object that starts at start.
func (r *resolver) assign(a *attribute, place, start int, in list) *problem {
	column, ok := r.column(a.name, place)
	if !ok {
		if r.api == apiSOAP {
			return &problem{"1006", "Unknown name attribute list: " + a.name}
		}
		return &problem{"1006", "Field '" + a.name + "' not found"}
	}
	switch key := r.schema.isKey(column); {
	case in == inKeys && !key:
		return &problem{"1011", "Not a key attribute: " + a.name}
	case in == inAttributes && key:
		// Changing a key through the attribute list is not documented.
		return &problem{"1003", "Key attribute in attribute list: " + a.name}
	}
	for _, other := range r.flat[start:] {
		if other.column == column {
			return &problem{"1003", "Attribute stands twice: " + a.name}
		}
	}
	field := &r.schema.fields[column]
	if a.structure {
		return field.mismatch("[structure]")
	}
	if r.api == apiREST && field.Type == Boolean && (a.value == "1" || a.value == "0") {
		// JSON has words of its own for the two.
		return field.mismatch(a.value)
	}
	value, p := field.normalise(a.value)
	if p != nil {
		return p
	}
	r.flat = append(r.flat, assignment{column, value})
	return nil
}

// column finds a name, first where the object before had it.
func (r *resolver) column(name string, place int) (int, bool) {
	if place < len(r.names) && r.names[place].name == name {
		return r.names[place].column, true
	}
	column, ok := r.schema.columns[name]
	if !ok {
		// An open type still has no field of a name that no API could carry.
		if !r.schema.open || !apiName.MatchString(name) {
			return 0, false
		}
		r.schema = r.table.grow(strings.Clone(name))
		column = r.schema.columns[name]
	}
	for len(r.names) <= place {
		r.names = append(r.names, resolved{})
	}
	r.names[place] = resolved{name, column}
	return column, true
}

// key returns the Key of an object, or the name of a dedupe field it lacks.
func (r *resolver) key(set []assignment) (key, missing string) {
	r.values = r.values[:0]
	for _, column := range r.schema.key {
		value := ""
		for _, a := range set {
			if a.column == column {
				value = a.value
			}
		}
		if value == "" {
			return "", r.schema.fields[column].Name
		}
		r.values = append(r.values, value)
	}
	return r.schema.keyOf(r.values...), ""
}

// duplicates returns the places of objects whose key stands twice in a call.
func duplicates(edits []edit) []int {
	first := make(map[string]int, len(edits))
	var places []int
	for i := range edits {
		if edits[i].problem != nil {
			continue
		}
		key := edits[i].key + "\x00" + edits[i].guid
		if before, ok := first[key]; ok {
			places = append(places, before, i)
			continue
		}
		first[key] = i
	}
	return places
}

// byID has the call name its objects by marketoGUID.
func (req *request) byID() *fault {
	for _, o := range req.objects {
		if len(o.attributes) != 1 || o.attributes[0].name != guidField {
			return violated("input must have "+guidField+" and nothing else", ViolationMalformed)
		}
	}
	req.ids, req.mode = true, modeDelete
	return nil
}

// identified returns edits of the objects that have these identifiers.
func (t *table) identified(objects []object) []edit {
	edits, places := make([]edit, len(objects)), map[string]int{}
	for i, o := range objects {
		guid := o.attributes[0].value
		edits[i] = edit{key: "\x00" + guid, guid: guid}
		places[guid] = i
	}
	name := t.schema.Load().name
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, object := range t.objects {
		for _, guid := range object.guids(name, key) {
			if i, ok := places[guid]; ok {
				edits[i].key = key
			}
		}
	}
	return edits
}
