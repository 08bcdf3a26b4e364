package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

var update = flag.Bool("update", false, "write schema.json instead of comparing with it")

// The committed schema is what the code and the example make today.
func TestJSONSchemaIsOfThisCode(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	comments, err := readComments(data)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schemaOf(comments)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(JSONSchema, want.Bytes()) {
		t.Error("schema.json is not what the keys and their comments say; run: go test ./internal/config -run JSONSchema -update")
	}
}

// compiledSchema is the committed schema, for a validator of others.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("cdcsync.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("cdcsync.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

// What Load takes, the schema takes: the example, with all of its settings in
// use, too, and mapping files.
func TestJSONSchemaTakesWhatLoadTakes(t *testing.T) {
	schema := compiledSchema(t)
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(data), "mappings: [{table: a, object: A, key: {id: id}}]"}
	for _, part := range []string{
		"delivery: {max_wait: 0s}", "delivery: {max_wait: 1m30s, max_pending: \"${N}\", max_pending_bytes: 33554432, max_parked: 0}",
		"delivery: {max_retained_wal: 0, max_pending_bytes: \"${SIZE}\"}",
		"log: {level: debug, format: json}", "http: {listen: \"127.0.0.1:0\"}", "mapping_files: [a.yaml]",
	} {
		texts = append(texts, valid+part+"\n")
	}
	for _, part := range []string{
		"attributes: {a: b, c: {column: [d, e]}, f: {expr: upper(g)}, h: {value: null}, i: {value: 1.5}, j: {column: k, \"null\": omit}, l: {lookup: {table: m, column: n, match: {o: p, q: r}}, expr: lower(n)}}",
		"on_delete: delete", "on_delete: {set: {gone: true, why: x}}", "coalesce: false", "operation: INSERT", "backfill: false",
	} {
		texts = append(texts, strings.Replace(valid, "key: {id: id}", "key: {id: id}, "+part, 1))
	}
	for _, text := range texts {
		if err := validate(t, schema, []byte(text)); err != nil {
			t.Errorf("%v\nin:\n%s", err, text)
		}
	}
}

// What an editor should show as wrong, the schema refuses.
func TestJSONSchemaRefusesMistakes(t *testing.T) {
	schema := compiledSchema(t)
	if err := validate(t, schema, []byte(valid)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"sorce: {url: x}", "delivery: {max_wait: 5}", "delivery: {max_wait: soon}", "delivery: {max_pending: many}", "delivery: {max_pending: 0}",
		"delivery: {on_reject: drop}", "delivery: {max_pending_bytes: 3 apples}", "log: {level: loud}", "mapping_files: a.yaml", "http: 9640",
	} {
		if validate(t, schema, []byte(valid+part+"\n")) == nil {
			t.Errorf("takes %s", part)
		}
	}
	for _, change := range [][2]string{
		{"object: A", "objekt: A"}, {"object: A, ", ""}, {"key: {id: id}", "key: [id]"}, {"key: {id: id}", "key: {id: id}, attributes: {a: {kolumn: b}}"},
		{"key: {id: id}", "key: {id: id}, on_delete: remove"}, {"key: {id: id}", "key: {id: id}, coalesce: maybe"}, {"rest:", "rset:"},
		{"rest: {", "soap: {endpoint: x}, rest: {"},
	} {
		text := strings.Replace(valid, change[0], change[1], 1)
		if text == valid {
			t.Fatalf("%q is not there", change[0])
		}
		if validate(t, schema, []byte(text)) == nil {
			t.Errorf("takes:\n%s", text)
		}
	}
}

const valid = `source: {url: x}
marketo: {rest: {endpoint: "http://127.0.0.1:1", client_id: c, client_secret: s}}
mappings: [{table: a, object: A, key: {id: id}}]
`

// schemaOf makes the JSON Schema; comments are those of the example, by path.
func schemaOf(comments map[string]string) shape {
	s := sectionOf("", (&reading{Config: Default()}).schema(), comments)
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Configuration of cdcsync"
	s["description"] = "The main file, or one that mapping_files names."
	s["$defs"] = shape{"rule": shape{"anyOf": []shape{
		{"type": "string", "description": "The column."},
		sectionOf("mappings.attributes.*", ruleFields(&mapping.Rule{}), comments),
	}}}
	// A file that mapping_files names has nothing but mappings.
	s["anyOf"] = []shape{{"required": []string{"marketo"}}, {"required": []string{"mappings"}, "maxProperties": 1}}
	return s
}

// must lists the keys that a section cannot do without, by path.
var must = map[string][]string{
	"mappings":     {"table", "object", "key"},
	"marketo.soap": {"endpoint"},
	"marketo.rest": {"endpoint"},
}

// either lists the keys of which a section takes one, by path.
var either = map[string][]string{"marketo": {"soap", "rest"}}

// sectionOf is the schema of a section.
func sectionOf(path string, fields []field, comments map[string]string) shape {
	properties := shape{}
	for _, f := range fields {
		inner := join(path, f.name)
		value := maps.Clone(f.shape(inner, comments))
		if text := comments[inner]; text != "" {
			value["description"] = text
		}
		properties[f.name] = value
	}
	s := shape{"type": "object", "additionalProperties": false, "properties": properties}
	if keys := must[path]; keys != nil {
		s["required"] = keys
	}
	if keys := either[path]; keys != nil {
		var one []shape
		for _, key := range keys {
			one = append(one, shape{"required": []string{key}})
		}
		s["oneOf"] = one
	}
	return s
}

// shape is the schema of a key's value.
func (f field) shape(path string, comments map[string]string) shape {
	takes := f.decode.takes
	if f.inner == nil || f.inner[0].name == "*" {
		return takes
	}
	section := sectionOf(path, f.inner, comments)
	switch {
	case takes == nil:
		return section
	case takes["type"] == "array":
		return shape{"type": "array", "items": section}
	}
	return shape{"anyOf": []shape{takes, section}}
}

// setting is one that the example leaves out.
var setting = regexp.MustCompile(`(?m)^(\s*)#(\S)`)

// readComments returns the comment of every key of the example, by path, names
// of attributes as *. A setting that is left out there begins with # and no
// space.
func readComments(example []byte) (map[string]string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(setting.ReplaceAll(example, []byte("$1$2")), &document); err != nil {
		return nil, fmt.Errorf("with every setting in use: %w", err)
	}
	comments := map[string]string{}
	collectComments(document.Content[0], "", comments)
	return comments, nil
}

func collectComments(n *yaml.Node, path string, into map[string]string) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			collectComments(item, path, into)
		}
		return
	}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := join(path, key.Value)
		if path == "mappings.attributes" {
			inner = join(path, "*")
		}
		comments := []string{key.HeadComment, key.LineComment, value.HeadComment, value.LineComment}
		if i == 0 {
			comments = append(comments, n.HeadComment)
		}
		text := strings.Join(slices.DeleteFunc(comments, func(s string) bool { return s == "" }), "\n")
		if into[inner] == "" {
			into[inner] = plainComment(text)
		}
		collectComments(value, inner, into)
	}
}

// plainComment is the last paragraph of a comment without its #, in one line.
func plainComment(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if line == "" {
			lines = nil
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " ")
}
