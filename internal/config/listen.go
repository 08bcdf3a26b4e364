package config

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Listen reads http.listen alone from the file at path, the default where the
// file has none. It is for commands that ask a running daemon: whoever runs
// them need not have its secrets and its environment, nor a file without
// mistakes.
func Listen(path string, getenv func(string) (string, bool)) (string, error) {
	data, _, err := readRegular(path, maxFile)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	d := newDecoder(path, getenv)
	root := d.parse(data)
	if root == nil {
		return "", d.mistakes
	}
	listen := Default().HTTP.Listen
	d.child(root, "", "http", func(section *yaml.Node, path string) {
		d.child(section, path, "listen", func(n *yaml.Node, path string) {
			textOf(&listen, checkListen).read(d, n, path)
		})
	})
	if len(d.mistakes) > 0 {
		return "", d.mistakes
	}
	return listen, nil
}

// child visits the value of one key of a section.
func (d *decoder) child(n *yaml.Node, path, name string, visit func(value *yaml.Node, path string)) {
	d.pairs(n, path, "is "+kindOf(n)+"; a section is expected", func(key, value *yaml.Node, inner string) {
		if key.Value == name {
			visit(value, inner)
		}
	})
}
