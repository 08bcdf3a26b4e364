package config

import (
	"os"
	"strings"
	"testing"
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
		c.HTTP.Listen != want.HTTP.Listen || c.HTTP.WebConfig != "" || c.HTTP.TokenFile.IsSet() || c.Log != want.Log || c.Source.Slot != want.Source.Slot || c.Source.Publication != want.Source.Publication {
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
	explained, err := readComments(data)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, path := range known("", (&reading{Config: Default()}).schema()) {
		if comment, ok := explained[path]; !ok {
			missing = append(missing, path+" is not there")
		} else if comment == "" {
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
