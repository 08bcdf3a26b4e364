package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"gopkg.in/yaml.v3"
)

// shortestToken is that of http.token_file, in bytes: nobody is to guess it.
const shortestToken = 16

// Web is what of a web configuration matters to who asks a daemon.
type Web struct {
	// TLS is set where it is asked by https; Certificate is the path of what it
	// shows then, "" where that is in the file itself.
	TLS         bool
	Certificate string
	// Users is set where everything asks for one and a password.
	Users bool
}

// ReadWeb reads a web configuration.
func ReadWeb(path string) (Web, error) {
	data, _, err := readRegular(path, maxFile)
	if err != nil {
		return Web{}, err
	}
	var c web.Config
	if err := yaml.Unmarshal(data, &c); err != nil {
		return Web{}, fmt.Errorf("%s is no web configuration; see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md", path)
	}
	in := newDecoder(path, os.LookupEnv)
	w := Web{TLS: c.TLSConfig.IsEnabled(), Users: len(c.Users) > 0}
	if c.TLSConfig.TLSCertPath != "" {
		w.Certificate = in.relative(c.TLSConfig.TLSCertPath)
	}
	return w, nil
}

// webConfig reads where the web configuration is, and whether it can be used.
func (r *reading) webConfig(d *decoder, n *yaml.Node, path string) {
	file, ok := d.filled(n, path)
	if !ok {
		return
	}
	r.HTTP.WebConfig = d.relative(file)
	w, err := ReadWeb(r.HTTP.WebConfig)
	if err == nil {
		err = web.Validate(r.HTTP.WebConfig)
	}
	if err != nil {
		d.at(n, path, "cannot be used: "+err.Error())
	}
	if w.Users && !w.TLS {
		d.warn(n, path, "asks for passwords without TLS, so that they can be read on their way; give it tls_server_config, too")
	}
	if w.Users && d.given("http.token_file") {
		d.at(n, path, "has users, and token_file is given, too; keep one of them, as each is a login")
	}
}

// tokenFile reads where the token is, and whether it is one.
func (r *reading) tokenFile(d *decoder, n *yaml.Node, path string) {
	file, ok := d.filled(n, path)
	if !ok {
		return
	}
	r.HTTP.TokenFile = secretFile(d.relative(file), d.credentials())
	token, err := r.HTTP.TokenFile.Reveal()
	switch {
	case err != nil:
		d.at(n, path, err.Error())
	case len(token) < shortestToken:
		d.at(n, path, fmt.Sprintf("names a file with a token of %d characters, which can be guessed; give at least %d, as openssl rand -hex 24 makes them", len(token), shortestToken))
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' || c == ':' }):
		d.at(n, path, "names a file with a token that has blanks, colons or other characters that cannot be sent; use letters and digits")
	}
	if w, err := ReadWeb(r.HTTP.WebConfig); err == nil && w.Users {
		d.at(n, path, "is given, and web_config has users, too; keep one of them, as each is a login")
	}
}
