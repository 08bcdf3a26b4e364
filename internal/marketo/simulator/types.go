package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"
)

var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

var fieldTypes = []FieldType{String, Text, Integer, Float, Currency, Boolean, Date, DateTime, Email, Phone, URL}

type typeEntry struct {
	Name   string       `yaml:"name"`
	Keys   KeyRule      `yaml:"keys"`
	Dedupe []string     `yaml:"dedupe"`
	Link   Link         `yaml:"link"`
	Fields []fieldEntry `yaml:"fields"`
	Assets []Asset      `yaml:"assets"`
}

type fieldEntry struct {
	Name   string `yaml:"name"`
	Type   string `yaml:"type"`
	Length int    `yaml:"length"`
}

// ReadTypes reads the object types of a YAML file. All mistakes are reported
// at once, each with the line of its object type.
func ReadTypes(path string) ([]Type, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read object types: %w", err)
	}
	types, err := ParseTypes(data)
	if err != nil {
		return nil, fmt.Errorf("read object types: %s: %w", path, err)
	}
	return types, nil
}

// ParseTypes is ReadTypes on the content of a file.
func ParseTypes(data []byte) ([]Type, error) {
	var file struct {
		Objects []typeEntry `yaml:"objects"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(file.Objects) == 0 {
		return nil, errors.New(`no object types: the file needs a list "objects"`)
	}
	var places struct {
		Objects []yaml.Node `yaml:"objects"`
	}
	if err := yaml.Unmarshal(data, &places); err != nil {
		return nil, err
	}
	var types []Type
	var problems []error
	seen := map[string]bool{}
	for i := range file.Objects {
		entry := &file.Objects[i]
		err := entry.check()
		if err == nil && seen[fold(entry.Name)] {
			err = fmt.Errorf("object %s stands twice", entry.Name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", places.Objects[i].Line, err))
			continue
		}
		seen[fold(entry.Name)] = true
		types = append(types, entry.compile())
	}
	return types, errors.Join(problems...)
}

func (e *typeEntry) check() error {
	if !apiName.MatchString(e.Name) {
		return fmt.Errorf("object name %q: letters, digits and _ are allowed", e.Name)
	}
	if e.Keys != "" && e.Keys != ExactKeys && e.Keys != FoldKeys {
		return fmt.Errorf("object %s has keys: %q; allowed are %s and %s", e.Name, e.Keys, ExactKeys, FoldKeys)
	}
	if len(e.Dedupe) < 1 || len(e.Dedupe) > 3 {
		return fmt.Errorf("object %s has %d dedupe fields: 1 to 3 are allowed", e.Name, len(e.Dedupe))
	}
	if len(e.Fields) > 50 {
		return fmt.Errorf("object %s has %d fields: at most 50 are allowed", e.Name, len(e.Fields))
	}
	names := map[string]bool{}
	for _, field := range e.Fields {
		if !apiName.MatchString(field.Name) {
			return fmt.Errorf("object %s: field name %q: letters, digits and _ are allowed", e.Name, field.Name)
		}
		if names[field.Name] {
			return fmt.Errorf("object %s: field %s stands twice", e.Name, field.Name)
		}
		names[field.Name] = true
		if !slices.Contains(fieldTypes, field.kind()) {
			return fmt.Errorf("object %s: field %s has type %q: allowed are %v", e.Name, field.Name, field.Type, fieldTypes)
		}
		if field.Length < 0 {
			return fmt.Errorf("object %s: field %s has length %d", e.Name, field.Name, field.Length)
		}
	}
	seen := map[string]bool{}
	for _, name := range e.Dedupe {
		if !names[name] || seen[name] {
			return fmt.Errorf("object %s: dedupe field %q must be one of its fields, once", e.Name, name)
		}
		seen[name] = true
	}
	if e.Link != (Link{}) && (!names[e.Link.Field] || e.Link.Lead == "") {
		return fmt.Errorf("object %s has link: {field: %q, lead: %q}; it takes one of its fields, and a field of the lead", e.Name, e.Link.Field, e.Link.Lead)
	}
	return nil
}

// kind returns the type; "link" is Marketo's own word for a URL.
func (e fieldEntry) kind() FieldType {
	if e.Type == "link" {
		return URL
	}
	return FieldType(e.Type)
}

func (e *typeEntry) compile() Type {
	t := Type{Name: e.Name, Dedupe: e.Dedupe, Keys: e.Keys, Link: e.Link, Assets: e.Assets}
	for _, field := range e.Fields {
		t.Fields = append(t.Fields, Field{Name: field.Name, Type: field.kind(), Length: field.Length})
	}
	return t
}
