package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const example = "../../config.example.yaml"

func exampleEnvironment(name string) (string, bool) {
	value, ok := map[string]string{
		"DATABASE_URL":          "postgres://cdcsync@localhost/shop",
		"MARKETO_ENDPOINT":      "http://127.0.0.1:9641",
		"MARKETO_CLIENT_ID":     "client",
		"MARKETO_CLIENT_SECRET": "secret",
	}[name]
	return value, ok
}

// The example file works as it stands, and its values are the defaults.
func TestExampleLoads(t *testing.T) {
	c, err := Load(example, exampleEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("got warnings %v", c.Warnings)
	}
	want := Default()
	if c.Delivery != want.Delivery || c.Marketo.Limits != want.Marketo.Limits || c.Marketo.Timeout != want.Marketo.Timeout ||
		c.HTTP != want.HTTP || c.Log != want.Log || c.Source.Slot != want.Source.Slot || c.Source.Publication != want.Source.Publication {
		t.Errorf("the example shows other values than the defaults: %+v", c)
	}
}

// Every key that the decoder knows is in the example, in use or left out, and
// has a comment of its own.
func TestExampleExplainsEveryKey(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	// A setting that is left out begins with # and no space.
	data = regexp.MustCompile(`(?m)^(\s*)#(\S)`).ReplaceAll(data, []byte("$1$2"))
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatalf("with every setting in use: %v", err)
	}
	explained := map[string]bool{}
	collect(document.Content[0], "", explained)
	var missing []string
	for _, path := range known("", (&reading{Config: Default()}).schema()) {
		if commented, ok := explained[path]; !ok {
			missing = append(missing, path+" is not there")
		} else if !commented {
			missing = append(missing, path+" has no comment")
		}
	}
	if missing != nil {
		t.Errorf("config.example.yaml: %s", strings.Join(missing, ", "))
	}
}

// known lists the paths of a schema.
func known(path string, fields []field) []string {
	var paths []string
	for _, f := range fields {
		inner := join(path, f.name)
		if f.name != "*" {
			paths = append(paths, inner)
		}
		paths = append(paths, known(inner, f.inner)...)
	}
	return paths
}

// collect records each path of a document and whether it has a comment. Names
// of attributes become *.
func collect(n *yaml.Node, path string, into map[string]bool) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			collect(item, path, into)
		}
		return
	}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := join(path, key.Value)
		if path == "mappings.attributes" {
			inner = join(path, "*")
		}
		comments := key.HeadComment + key.LineComment + value.HeadComment + value.LineComment
		if i == 0 {
			comments += n.HeadComment
		}
		into[inner] = into[inner] || comments != ""
		collect(value, inner, into)
	}
}
