package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/cdcsync/cdcsync/internal/conninfo"
)

// secretFields are the two ways to give a secret: name and name_file.
func secretFields(into *Secret, name string) []field {
	given := ""
	once := func(d *decoder, n *yaml.Node, path string) bool {
		if given != "" {
			d.at(n, path, "is given beside "+given+"; keep one of "+name+" and "+name+"_file")
			return false
		}
		given = path[strings.LastIndexByte(path, '.')+1:]
		return true
	}
	return []field{
		{name: name, decode: reader{func(d *decoder, n *yaml.Node, path string) {
			if !once(d, n, path) {
				return
			}
			known := len(d.mistakes)
			value, ok := d.filled(n, path)
			if !ok {
				for i := known; i < len(d.mistakes); i++ {
					d.mistakes[i].Text = conceal(d.mistakes[i].Text)
				}
				return
			}
			if strings.ContainsRune(value, 0) {
				d.at(n, path, "holds a zero byte; write it as text")
				return
			}
			*into = NewSecret(value)
			d.inline(n, path)
		}, anyText}},
		{name: name + "_file", decode: reader{func(d *decoder, n *yaml.Node, path string) {
			if !once(d, n, path) {
				return
			}
			file, ok := d.filled(n, path)
			if !ok {
				return
			}
			*into = secretFile(d.relative(file), d.credentials())
			switch _, err := into.Reveal(); {
			case err == nil:
			case !d.isPath(file):
				d.at(n, path, "names no file that is there; correct the path, or write "+name+" if this is the value itself")
			default:
				d.at(n, path, err.Error())
			}
		}, anyText}},
	}
}

// isPath reports whether the value of a …_file may be shown as a path. People
// write the secret itself there; so it must be there, or be one in a directory
// that is.
func (d *decoder) isPath(file string) bool {
	path := d.relative(file)
	if _, err := os.Stat(path); err == nil {
		return true
	}
	info, err := os.Stat(filepath.Dir(path))
	within := filepath.Dir(filepath.Clean(file))
	return err == nil && info.IsDir() && within != "." && within != "/" && !strings.ContainsAny(file, "@=?&%:")
}

// relative makes a path of the file relative to the file's directory.
func (d *decoder) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}

func (d *decoder) credentials() string {
	directory, _ := d.getenv("CREDENTIALS_DIRECTORY")
	return directory
}

// inline warns of a secret that stands in the file itself. User and client
// names are no secrets in that sense, nor is a URL without a password.
func (d *decoder) inline(n *yaml.Node, path string) {
	if strings.Contains(n.Value, "${") {
		return
	}
	switch name := path[strings.LastIndexByte(path, '.')+1:]; {
	case name == "user_id", name == "client_id", name == "url" && !hasPassword(n.Value):
		return
	default:
		d.warn(n, path, "stands in the file itself; better is ${VARIABLE} or "+name+"_file")
		d.literal = true
	}
}

func (d *decoder) warn(n *yaml.Node, path, text string) {
	d.warnings = append(d.warnings, Mistake{d.file, n.Line, n.Column, path, text})
}

// soap reads the section by itself, so that the Config has only what the file
// has; rest does the same.
func (r *reading) soap(d *decoder, n *yaml.Node, path string) {
	r.Marketo.SOAP = &SOAP{}
	d.section(n, path, soapFields(r.Marketo.SOAP))
	d.require(n, path, r.Marketo.SOAP.Endpoint != "", "endpoint", "is missing; give the URL of the service")
	d.requireSecret(n, path, "user_id")
	d.requireSecret(n, path, "secret_key")
}

func soapFields(s *SOAP) []field {
	return append(append([]field{{name: "endpoint", decode: endpoint(&s.Endpoint, false)}},
		secretFields(&s.UserID, "user_id")...), secretFields(&s.SecretKey, "secret_key")...)
}

func (r *reading) rest(d *decoder, n *yaml.Node, path string) {
	r.Marketo.REST = &REST{}
	d.section(n, path, restFields(r.Marketo.REST))
	d.require(n, path, r.Marketo.REST.Endpoint != "", "endpoint", "is missing; give the URL of the instance")
	d.requireSecret(n, path, "client_id")
	d.requireSecret(n, path, "client_secret")
}

func restFields(s *REST) []field {
	return append(append([]field{{name: "endpoint", decode: endpoint(&s.Endpoint, true)}},
		secretFields(&s.ClientID, "client_id")...), secretFields(&s.ClientSecret, "client_secret")...)
}

// given reports whether the file has a key, right or wrong.
func (d *decoder) given(path string) bool {
	_, ok := d.places[path]
	return ok
}

// require reports a key that a section lacks; what was given and is wrong has
// been reported.
func (d *decoder) require(n *yaml.Node, path string, ok bool, name, text string) {
	if !ok && n.Kind == yaml.MappingNode && !d.given(join(path, name)) {
		d.at(n, join(path, name), text)
	}
}

func (d *decoder) requireSecret(n *yaml.Node, path, name string) {
	if n.Kind == yaml.MappingNode && !d.given(join(path, name)) && !d.given(join(path, name+"_file")) {
		d.at(n, join(path, name), "is missing; give "+name+" or "+name+"_file")
	}
}

// oneAPI sees to it that there is exactly one of soap and rest.
func (r *reading) oneAPI(d *decoder, n *yaml.Node, path string) {
	soap, rest := d.given(path+".soap"), d.given(path+".rest")
	switch {
	case n.Kind != yaml.MappingNode:
	case soap && rest:
		d.under(path+".rest", "is given beside soap; keep the one that your Marketo instance has")
	case !soap && !rest:
		d.at(n, path, "has neither soap nor rest; give one")
	}
}

// sourceGiven wants a URL unless the PG* variables say where to connect.
func (r *reading) sourceGiven(d *decoder, n *yaml.Node, path string) {
	switch {
	case n.Kind != yaml.MappingNode:
	case d.given(path + ".url"), d.given(path + ".url_file"), d.connects():
		r.checkSource(d, path)
	default:
		d.at(n, path+".url", "is missing; give url or url_file, or set PGHOST and the other PG* variables")
	}
}

// connects reports whether the environment says where PostgreSQL is.
func (d *decoder) connects() bool {
	for _, name := range []string{"PGHOST", "PGHOSTADDR", "PGSERVICE"} {
		if value, ok := d.getenv(name); ok && value != "" {
			return true
		}
	}
	return false
}

// checkSource looks at the connection string with what the environment adds,
// never showing a value.
func (r *reading) checkSource(d *decoder, path string) {
	text := ""
	if r.Source.URL.IsSet() {
		var err error
		if text, err = r.Source.URL.Reveal(); err != nil {
			return // it was reported
		}
	} else if d.given(path+".url") || d.given(path+".url_file") {
		return // what is wrong with it was reported
	}
	at := path + ".url"
	if d.given(path + ".url_file") {
		at = path + ".url_file"
	}
	info, err := conninfo.Resolve(text, d.getenv)
	if err != nil {
		d.under(at, err.Error())
		return
	}
	warn := func(text string) {
		p := d.find(at)
		d.warnings = append(d.warnings, Mistake{d.file, p.line, p.column, at, text})
	}
	if sslmode := info.Get("sslmode"); remote(info) && sslmode != "verify-full" && sslmode != "verify-ca" && info.Get("sslrootcert") != "system" {
		warn("connects to another machine without checking who answers; add sslmode=verify-full and sslrootcert")
	}
	for _, clause := range info.Ignored() {
		warn(clause)
	}
}

// remote reports whether a server is on another machine.
func remote(info conninfo.Info) bool {
	return slices.ContainsFunc(info.Hosts(), func(h conninfo.Host) bool {
		if h.Address != "" {
			return !isLoopback(h.Address)
		}
		return h.Name != "" && !strings.HasPrefix(h.Name, "/") && !isLoopback(h.Name)
	})
}

// hasPassword reports whether a connection string holds a password, or may.
func hasPassword(s string) bool {
	info, err := conninfo.Parse(s)
	return err != nil || info.Has("password") || info.Has("sslpassword")
}
