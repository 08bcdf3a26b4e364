package config

import _ "embed"

// JSONSchema is the JSON Schema of the main file and of mapping files, for
// editors. It is made from the same list of keys that Load reads by, with the
// comments of config.example.yaml as descriptions: go test ./internal/config
// -update writes it.
//
//go:embed schema.json
var JSONSchema []byte

// SchemaName is the name under which the JSON Schema is put beside a
// configuration, whose first line points to it.
const SchemaName = "cdcsync.schema.json"
