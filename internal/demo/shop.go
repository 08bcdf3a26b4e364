package demo

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var (
	//go:embed shop/schema.sql
	schema string
	//go:embed shop/mappings.yaml
	mappings string
	//go:embed shop/objects.yaml
	objects string
	//go:embed shop/cdcsync.yaml.tmpl
	configuration string
)

// place is what the configuration has to know of this run.
type place struct {
	// Database is the connection string, Marketo the simulator's URL and
	// Listen the address of the daemon's endpoints.
	Database, Marketo, Listen string
	API                       API
	// Timeout is that of a call, in the form of the configuration.
	Timeout    string
	RealLimits bool
}

// timeout is the longest that a call may take.
func timeout(o Options) string { return max(5*time.Second, 4*o.Latency).String() }

// writeConfig writes the configuration into dir as a user would, and loads it.
func writeConfig(dir string, p place) (*config.Config, error) {
	t, err := template.New("cdcsync.yaml").Parse(configuration)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := t.Execute(&text, p); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "cdcsync.yaml")
	for name, content := range map[string]string{file: text.String(), filepath.Join(dir, "mappings.yaml"): mappings} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	c, err := config.Load(file, os.LookupEnv)
	if err != nil {
		return nil, fmt.Errorf("the demo's own configuration is wrong:\n%w", err)
	}
	return c, nil
}

// newSimulator is a Marketo instance that has the shop's object types.
func newSimulator(o Options) (*simulator.Simulator, error) {
	types, err := simulator.ParseTypes([]byte(objects))
	if err != nil {
		return nil, err
	}
	options := simulator.Options{
		Types: types, Seed: o.Seed,
		Latency: simulator.Latency{Fixed: o.Latency, Jitter: 0.3},
		Limits:  simulator.Limits{Concurrent: simulator.MarketoLimits().Concurrent},
	}
	if o.RealLimits {
		options.Limits = simulator.MarketoLimits()
	}
	return simulator.New(options), nil
}
