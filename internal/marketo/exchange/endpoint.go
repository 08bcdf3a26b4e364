package exchange

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ParseEndpoint accepts https, and http where the bytes stay on this machine.
// Its errors never repeat the text: a URL may hold a password.
func ParseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("endpoint: not a URL; write https://host/path")
	case u.Hostname() == "":
		return nil, errors.New("endpoint: no host; write https://host/path")
	case u.User != nil:
		return nil, errors.New("endpoint: holds a user name; leave it out")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("endpoint: ends in a query; leave out everything from the '?'")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, errors.New("endpoint: ends in a fragment; leave out everything from the '#'")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, errors.New("endpoint: http is allowed only to this machine; write https://")
	}
	return nil, fmt.Errorf("endpoint: scheme %q; write https://", u.Scheme)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
