package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/mapping"
)

// Load reads the file at path and the mapping files it names. getenv finds a
// variable of the environment, as os.LookupEnv does. The error is a Mistakes
// unless the file itself cannot be read.
func Load(path string, getenv func(string) (string, bool)) (*Config, error) {
	data, info, err := readRegular(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	r := &reading{Config: Default()}
	r.File = path
	main := newDecoder(path, getenv)
	r.State.SQLite = filepath.Join(main.dir, r.State.SQLite)
	root := main.parse(data)
	if root == nil {
		return nil, main.mistakes
	}
	main.section(root, "", r.schema())
	if root.Kind != yaml.MappingNode || main.foreign {
		return nil, main.mistakes
	}
	main.guard(info)
	decoders := append([]*decoder{main}, r.follow(main)...)
	r.required(main)
	r.agree(main)
	return r.conclude(decoders)
}

func newDecoder(file string, getenv func(string) (string, bool)) *decoder {
	return &decoder{file: file, dir: filepath.Dir(file), getenv: getenv, places: map[string]place{}}
}

// guard looks at the mode of the file: whoever can write it can send the
// secrets elsewhere.
func (d *decoder) guard(info fs.FileInfo) {
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		d.warnings = append(d.warnings, Mistake{File: d.file, Text: fmt.Sprintf("has mode %04o, so that others can change it; run: chmod go-w %s", mode, d.file)})
	}
	if d.literal && mode&0o044 != 0 {
		d.warnings = append(d.warnings, Mistake{File: d.file, Text: fmt.Sprintf("holds secrets and has mode %04o, so that others can read them; run: chmod 600 %s", mode, d.file)})
	}
}

// follow reads the mapping files, each once, in the order of the patterns and
// then of their names.
func (r *reading) follow(main *decoder) []*decoder {
	var decoders []*decoder
	var seen []string
	for i, g := range r.globs {
		path := fmt.Sprintf("mapping_files[%d]", i)
		files, err := filepath.Glob(main.relative(g.pattern))
		if err != nil {
			main.at(g.node, path, fmt.Sprintf("is %q; it is no pattern: %v", g.node.Value, err))
			continue
		}
		if len(files) == 0 {
			main.at(g.node, path, fmt.Sprintf("is %q, which no file matches; correct the pattern (it is relative to this file)", g.node.Value))
		}
		for _, file := range files {
			if !slices.Contains(seen, file) {
				seen = append(seen, file)
				decoders = append(decoders, r.mappingFile(file, main.getenv))
			}
		}
	}
	return decoders
}

// mappingFile reads one file that has nothing but mappings.
func (r *reading) mappingFile(file string, getenv func(string) (string, bool)) *decoder {
	d := newDecoder(file, getenv)
	data, _, err := readRegular(file, maxFile)
	if err != nil {
		d.mistake(0, 0, "", err.Error())
		return d
	}
	if root := d.parse(data); root != nil {
		d.section(root, "", []field{{name: "mappings", decode: reader{read: r.mappings}}})
		if !d.foreign {
			d.require(root, "", false, "mappings", "is missing; this file is for a list of mappings")
		}
	}
	return d
}

// required reports the sections that must be there.
func (r *reading) required(d *decoder) {
	if !d.given("source") {
		if d.connects() {
			r.checkSource(d, "source")
		} else {
			d.mistake(1, 1, "source", "is missing; give source.url, or set PGHOST and the other PG* variables")
		}
	}
	if !d.given("marketo") {
		d.mistake(1, 1, "marketo", "is missing; give marketo.soap or marketo.rest")
	}
	if !d.given("mappings") && !d.given("mapping_files") {
		d.mistake(1, 1, "mappings", "is missing; give mappings or mapping_files")
	}
}

// agree checks the values that must fit each other.
func (r *reading) agree(d *decoder) {
	if r.Delivery.UnknownHold < r.Marketo.Timeout {
		at := "delivery.unknown_hold"
		if !d.given(at) {
			at = "marketo.timeout"
		}
		d.under(at, fmt.Sprintf("makes unknown_hold (%s) shorter than marketo.timeout (%s), so that a call could outlive the hold and overwrite a newer value; unknown_hold must be at least the timeout",
			short(r.Delivery.UnknownHold), short(r.Marketo.Timeout)))
	}
	r.agreeWithMarketo(d)
	l := r.Marketo.Limits
	for name, v := range map[string]int{"calls_per_20s": l.CallsPer20s, "concurrent_calls": l.ConcurrentCalls, "calls_per_day": l.CallsPerDay} {
		if v == 0 && !r.local() {
			d.under("marketo.limits."+name, "is 0, which lifts the limit; that is allowed only for an endpoint on this machine, as the simulator is")
		}
	}
	if host, _, _ := net.SplitHostPort(r.HTTP.Listen); !isLoopback(host) {
		p := d.find("http.listen")
		switch {
		case r.HTTP.WebConfig != "":
		case r.HTTP.TokenFile.IsSet():
			d.warnings = append(d.warnings, Mistake{d.file, p.line, p.column, "http.listen", "can be reached from other machines without TLS, so that the token can be read on its way; give http.web_config"})
		default:
			d.warnings = append(d.warnings, Mistake{d.file, p.line, p.column, "http.listen", "can be reached from other machines, and nobody is asked for a login; give http.web_config with users and TLS"})
		}
	}
}

// executes is how long Marketo may work on a call.
const executes = 120 * time.Second

// agreeWithMarketo checks that what we give up is over at Marketo. A simulator
// on this machine may be quicker.
func (r *reading) agreeWithMarketo(d *decoder) {
	for _, v := range []struct {
		at    string
		value time.Duration
	}{{"marketo.timeout", r.Marketo.Timeout}, {"delivery.unknown_hold", r.Delivery.UnknownHold}} {
		if v.value >= executes || v.at == "delivery.unknown_hold" && v.value < r.Marketo.Timeout {
			continue
		}
		text := fmt.Sprintf("is %s, and Marketo may execute a call for %s: one that was given up could be executed after newer values were sent, and leave older ones for good; give at least %s, or leave it out",
			short(v.value), short(executes), short(executes))
		if !r.local() {
			d.under(v.at, text)
			continue
		}
		p := d.find(v.at)
		d.warnings = append(d.warnings, Mistake{d.file, p.line, p.column, v.at, text})
	}
}

// local reports whether the endpoint is on this machine.
func (r *reading) local() bool {
	switch {
	case r.Marketo.SOAP != nil:
		return isLoopbackURL(r.Marketo.SOAP.Endpoint)
	case r.Marketo.REST != nil:
		return isLoopbackURL(r.Marketo.REST.Endpoint)
	}
	return false
}

// conclude compiles the mappings and gathers what all files have wrong.
func (r *reading) conclude(decoders []*decoder) (*Config, error) {
	var mistakes Mistakes
	var files []string
	for _, d := range decoders {
		files = append(files, d.file)
		mistakes = append(mistakes, d.mistakes...)
		r.Warnings = append(r.Warnings, d.warnings...)
	}
	set, err := mapping.Compile(r.Mappings)
	mistakes = append(mistakes, r.translate(err, mistakes)...)
	if len(r.Mappings) == 0 && len(mistakes) == 0 {
		mistakes = append(mistakes, Mistake{files[0], 1, 1, "mappings", "has no mapping; give at least one"})
	}
	if len(mistakes) > 0 {
		return nil, mistakes.sorted(files)
	}
	r.Set = set
	return r.Config, nil
}

// translate gives the mistakes of the mappings their places. One that stands
// where the file itself is wrong already, or inside, is left out.
func (r *reading) translate(err error, known Mistakes) Mistakes {
	var found mapping.Mistakes
	if !errors.As(err, &found) {
		return nil
	}
	var mistakes Mistakes
	for _, m := range found {
		located := r.Locate(m)
		covers := func(k Mistake) bool {
			return k.File == located.File && k.Path != "" && (located.Path == k.Path || strings.HasPrefix(located.Path, k.Path+"."))
		}
		if !slices.ContainsFunc(known, covers) {
			mistakes = append(mistakes, located)
		}
	}
	return mistakes
}
