package simulator

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
)

// Extend gives an instance that was made with Types more of them, and more fields, while
// it runs, as an administrator does. What is there stays as it is: where types lack one
// of the instance, or has a field, a key or a type of a field otherwise, nothing is
// changed, and the error says why. Links and assets are replaced.
func (s *Simulator) Extend(types []Type) error { return s.store.extend(types) }

func (s *store) extend(types []Type) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Types == nil {
		return fmt.Errorf("this instance learns its types from the calls, so that fields appear by themselves")
	}
	types = slices.Clone(types)
	extended := map[string]*schema{}
	for i, t := range types {
		had := s.tables[fold(t.Name)]
		if had == nil {
			extended[fold(t.Name)] = newSchema(t, false)
			continue
		}
		schema, err := had.schema.Load().extended(t)
		if err != nil {
			return err
		}
		extended[fold(t.Name)], types[i].Created = schema, schema.made
	}
	for name, t := range s.tables {
		if extended[name] == nil {
			return fmt.Errorf("object %s is missing; what is there can be taken away by a new start only", t.schema.Load().name)
		}
	}
	for name, schema := range extended {
		if t := s.tables[name]; t != nil {
			t.mu.Lock()
			t.schema.Store(schema)
			t.mu.Unlock()
		} else {
			s.add(schema)
		}
	}
	s.opts.Types = types
	return nil
}

// extended returns a schema that has the fields of t besides, behind its own.
func (s *schema) extended(t Type) (*schema, error) {
	if dedupe := s.dedupe(); !slices.Equal(dedupe, t.Dedupe) || s.folds != (t.Keys == FoldKeys) {
		return nil, fmt.Errorf("object %s has other dedupe fields or keys; a new start alone can change those", s.name)
	}
	grown := *s
	grown.link, grown.assets = t.Link, t.Assets
	grown.columns, grown.fields = maps.Clone(s.columns), slices.Clone(s.fields)
	for _, had := range s.fields {
		if !slices.Contains(t.Fields, had) {
			return nil, fmt.Errorf("object %s: field %s is missing or another one; what is there can be changed by a new start only", s.name, had.Name)
		}
	}
	for _, field := range t.Fields {
		if _, had := grown.columns[field.Name]; !had {
			grown.columns[field.Name] = len(grown.fields)
			grown.fields = append(grown.fields, field)
		}
	}
	return &grown, nil
}

// postTypes takes what --objects takes.
func (s *Simulator) postTypes(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxControlBytes))
	var types []Type
	if err == nil {
		types, err = ParseTypes(body)
	}
	if err == nil {
		err = s.Extend(types)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
