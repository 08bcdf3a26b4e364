package simulator

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// store holds the tables of an instance, one per custom object type.
type store struct {
	opts Options

	mu     sync.RWMutex // guards tables
	tables map[string]*table
}

// table holds the objects of one type.
type table struct {
	record  bool
	created time.Time
	schema  atomic.Pointer[schema]

	mu      sync.Mutex // guards what follows, and growth of the schema
	objects map[string]stored
	sorted  []string // all keys in order; nil when it has to be made again
	history map[string][]Version
}

// stored is one object.
type stored struct {
	row              string
	created, updated int64 // seconds
	// born is when it came to be, counted from the table's creation, and maker
	// the call that made it.
	born  time.Duration
	maker int
	// doubled is set when another call was making it at the same time.
	doubled bool
}

// Version is one value that was applied to an object.
type Version struct {
	// Call is the ID of the call that applied it.
	Call int `json:"call"`
	// At is when it was applied.
	At time.Time `json:"at"`
	// Status is CREATED, UPDATED, UNCHANGED or DELETED.
	Status string `json:"status"`
	// Fields holds the object after it; null fields are absent, and all are
	// when the object was deleted.
	Fields map[string]string `json:"fields"`
}

// fold makes a type name comparable: Marketo's own sample answers RoadShow
// with Roadshow.
func fold(name string) string { return strings.ToLower(name) }

func newStore(opts Options) *store {
	s := &store{opts: opts}
	s.reset()
	return s
}

func (s *store) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = map[string]*table{}
	for _, t := range s.opts.Types {
		s.add(newSchema(t, false))
	}
	if s.opts.Types != nil {
		return
	}
	for name, dedupe := range s.opts.Dedupe {
		s.add(newSchema(Type{Name: name, Dedupe: dedupe, Keys: s.opts.Keys}, true))
	}
}

func (s *store) add(schema *schema) *table {
	t := &table{record: s.opts.RecordHistory, created: schema.made, objects: map[string]stored{}, history: map[string][]Version{}}
	t.schema.Store(schema)
	s.tables[fold(schema.name)] = t
	return t
}

// find returns the table of a type, nil when there is none.
func (s *store) find(name string) *table {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables[fold(name)]
}

// learn returns the table of a type and makes it from its dedupe fields when
// it is new; nil when types are given and this is none of them.
func (s *store) learn(name string, dedupe []string) *table {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[fold(name)]; t != nil {
		return t
	}
	if s.opts.Types != nil || !apiName.MatchString(name) || len(dedupe) == 0 {
		return nil
	}
	// The names alias the whole body of the call.
	known := Type{Name: strings.Clone(name), Keys: s.opts.Keys}
	for _, field := range dedupe {
		known.Dedupe = append(known.Dedupe, strings.Clone(field))
	}
	return s.add(newSchema(known, true))
}

// all returns the tables ordered by type name.
func (s *store) all() []*table {
	s.mu.RLock()
	defer s.mu.RUnlock()
	tables := make([]*table, 0, len(s.tables))
	for _, t := range s.tables {
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b *table) int {
		return strings.Compare(a.schema.Load().name, b.schema.Load().name)
	})
	return tables
}

// grow adds a field to a learnt type and returns the new schema.
func (t *table) grow(name string) *schema {
	t.mu.Lock()
	defer t.mu.Unlock()
	current := t.schema.Load()
	if _, ok := current.columns[name]; ok {
		return current
	}
	grown := current.with(name)
	t.schema.Store(grown)
	return grown
}

// get returns the stored object of key.
func (t *table) get(key string) (stored, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	object, ok := t.objects[key]
	return object, ok
}

func (t *table) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.objects)
}

// keys returns all keys in order. The slice must not be changed.
func (t *table) keys() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sorted == nil {
		t.sorted = make([]string, 0, len(t.objects))
		for key := range t.objects {
			t.sorted = append(t.sorted, key)
		}
		slices.Sort(t.sorted)
	}
	return t.sorted
}

// fields returns the fields of row that are not null.
func (s *schema) fieldsOf(row string) map[string]string {
	values := make([]string, len(s.fields))
	readRow(row, values)
	fields := map[string]string{}
	for column, value := range values {
		if value != "" {
			fields[s.fields[column].Name] = value
		}
	}
	return fields
}

// Objects returns the objects of a type by Key: their fields, null fields
// left out. It is empty for a type that is not known.
func (s *Simulator) Objects(typeName string) map[string]map[string]string {
	objects := map[string]map[string]string{}
	t := s.store.find(typeName)
	if t == nil {
		return objects
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	schema := t.schema.Load()
	for key, object := range t.objects {
		objects[key] = schema.fieldsOf(object.row)
	}
	return objects
}

// Count returns the number of objects of a type.
func (s *Simulator) Count(typeName string) int {
	if t := s.store.find(typeName); t != nil {
		return t.size()
	}
	return 0
}

// History returns every value that was applied to an object, oldest first.
// It is empty without Options.RecordHistory.
func (s *Simulator) History(typeName, key string) []Version {
	t := s.store.find(typeName)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.history[key])
}

// Doubled returns the keys of the objects of a type that are there twice, in
// order: two calls that create one key at the same time make two objects. The
// rest of the Simulator shows the one that was written last.
func (s *Simulator) Doubled(typeName string) []string {
	t := s.store.find(typeName)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []string
	for key, object := range t.objects {
		if object.doubled {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Double has the object of a key there twice, as after two calls that created it
// at the same time. It reports whether there is such an object.
func (s *Simulator) Double(typeName, key string) bool {
	t := s.store.find(typeName)
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	object, ok := t.objects[key]
	object.doubled = ok
	if ok {
		t.objects[key] = object
	}
	return ok
}

// Age sets when each object of a type was made and last changed.
func (s *Simulator) Age(typeName string, at func(key string) time.Time) {
	t := s.store.find(typeName)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, object := range t.objects {
		object.created = at(key).Unix()
		object.updated = object.created
		t.objects[key] = object
	}
}
