package config

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Differences names what is another value in b than in a, as keys of the file have
// it and without values: of secrets, too. Mappings are compared by name.
func Differences(a, b *Config) (all []string) {
	for _, section := range []struct {
		name string
		a, b any
	}{
		{"source", a.Source, b.Source}, {"marketo", a.Marketo, b.Marketo}, {"delivery", a.Delivery, b.Delivery},
		{"state", a.State, b.State}, {"http", a.HTTP, b.HTTP}, {"log", a.Log, b.Log},
	} {
		differ(section.name, reflect.ValueOf(section.a), reflect.ValueOf(section.b), &all)
	}
	names := func(c *Config) map[string]int {
		at := map[string]int{}
		for i := range c.Mappings {
			at[c.Mappings[i].Name] = i
		}
		return at
	}
	before, after := names(a), names(b)
	for i := range b.Mappings {
		name := b.Mappings[i].Name
		switch at, known := before[name]; {
		case !known:
			all = append(all, "mapping "+name+" is new")
		case !reflect.DeepEqual(a.Mappings[at], b.Mappings[i]):
			all = append(all, "mapping "+name+" has changed: "+strings.Join(changedKeys(&a.Mappings[at], &b.Mappings[i]), ", "))
		}
	}
	for i := range a.Mappings {
		if _, known := after[a.Mappings[i].Name]; !known {
			all = append(all, "mapping "+a.Mappings[i].Name+" is gone")
		}
	}
	return all
}

// changedKeys names the keys of a mapping that are otherwise, those of attributes by
// their names.
func changedKeys(a, b *mapping.Definition) (keys []string) {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range x.NumField() {
		field := x.Type().Field(i).Name
		if reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		switch field {
		case "Key":
			keys = append(keys, changedRules("key", a.Key, b.Key)...)
		case "Attributes":
			keys = append(keys, changedRules("attributes", a.Attributes, b.Attributes)...)
		case "Schema", "Table":
			if !slices.Contains(keys, "table") {
				keys = append(keys, "table")
			}
		case "Separate":
			keys = append(keys, "coalesce")
		default:
			keys = append(keys, keyOf(field))
		}
	}
	return keys
}

// changedRules names the rules that are otherwise, or the whole where only their order
// is.
func changedRules(key string, a, b []mapping.Rule) (keys []string) {
	rules := map[string]mapping.Rule{}
	for _, r := range a {
		rules[r.Attribute] = r
	}
	for _, r := range b {
		if old, known := rules[r.Attribute]; !known || !reflect.DeepEqual(old, r) {
			keys = append(keys, key+"."+r.Attribute)
		}
		delete(rules, r.Attribute)
	}
	for _, r := range a {
		if _, gone := rules[r.Attribute]; gone {
			keys = append(keys, key+"."+r.Attribute)
		}
	}
	if keys == nil {
		keys = []string{key}
	}
	return keys
}

// differ appends the names of the fields below name that differ.
func differ(name string, a, b reflect.Value, all *[]string) {
	if a.Kind() == reflect.Pointer {
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				*all = append(*all, name)
			}
			return
		}
		a, b = a.Elem(), b.Elem()
	}
	if x, secret := a.Interface().(Secret); secret {
		if !sameSecret(x, b.Interface().(Secret)) {
			*all = append(*all, name)
		}
		return
	}
	if a.Kind() != reflect.Struct || a.NumField() == 0 || !a.Type().Field(0).IsExported() {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			*all = append(*all, name)
		}
		return
	}
	for i := range a.NumField() {
		if f := a.Type().Field(i); f.IsExported() {
			differ(name+"."+keyOf(f.Name), a.Field(i), b.Field(i), all)
		}
	}
}

func sameSecret(a, b Secret) bool {
	if !a.IsSet() || !b.IsSet() {
		return a.IsSet() == b.IsSet()
	}
	x, errA := a.Reveal()
	y, errB := b.Reveal()
	return x == y && (errA == nil) == (errB == nil)
}

// keyOf is the key of a field: MaxPendingBytes is max_pending_bytes.
func keyOf(field string) string {
	var key strings.Builder
	runes := []rune(field)
	for i, r := range runes {
		upper := unicode.IsUpper(r) || unicode.IsDigit(r)
		if i > 0 && upper && !(unicode.IsUpper(runes[i-1]) || unicode.IsDigit(runes[i-1])) {
			key.WriteByte('_')
		}
		key.WriteRune(unicode.ToLower(r))
	}
	return key.String()
}
