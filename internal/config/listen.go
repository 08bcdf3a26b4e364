package config

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// ReadHTTP reads the section http alone from the file at path, the default where
// the file has none. It is for commands that ask a running daemon: whoever runs
// them need not have its secrets and its environment, nor a file without
// mistakes. The files that it names are not looked at.
func ReadHTTP(path string, getenv func(string) (string, bool)) (HTTP, error) {
	data, _, err := readRegular(path, maxFile)
	if err != nil {
		return HTTP{}, fmt.Errorf("config: %w", err)
	}
	d := newDecoder(path, getenv)
	root := d.parse(data)
	if root == nil {
		return HTTP{}, d.mistakes
	}
	out := Default().HTTP
	file := func(take func(string)) func(*yaml.Node, string) {
		return func(n *yaml.Node, path string) {
			if name, ok := d.filled(n, path); ok {
				take(d.relative(name))
			}
		}
	}
	d.child(root, "", "http", func(section *yaml.Node, path string) {
		d.child(section, path, "listen", func(n *yaml.Node, path string) {
			textOf(&out.Listen, checkListen).read(d, n, path)
		})
		d.child(section, path, "web_config", file(func(name string) { out.WebConfig = name }))
		d.child(section, path, "token_file", file(func(name string) { out.TokenFile = secretFile(name, d.credentials()) }))
	})
	if len(d.mistakes) > 0 {
		return HTTP{}, d.mistakes
	}
	return out, nil
}

// child visits the value of one key of a section.
func (d *decoder) child(n *yaml.Node, path, name string, visit func(value *yaml.Node, path string)) {
	d.pairs(n, path, "is "+kindOf(n)+"; a section is expected", func(key, value *yaml.Node, inner string) {
		if key.Value == name {
			visit(value, inner)
		}
	})
}
