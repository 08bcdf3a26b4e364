package config

import (
	"net"
	"net/url"
	"strings"
)

// readHosts reads a libpq URL with several hosts, host1:1,host2:2.
func readHosts(s string) (target, bool) {
	scheme, rest, _ := strings.Cut(s, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	hosts := rest[at+1 : end]
	first, others, several := strings.Cut(hosts, ",")
	if !several {
		return target{}, false
	}
	t, ok := readTarget(scheme + "://" + rest[:at+1] + first + rest[end:])
	for host := range strings.SplitSeq(others, ",") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		t.hosts = append(t.hosts, host)
	}
	return t, ok
}

// readPairs reads libpq's key=value form, with values in single quotes and
// backslashes as libpq has them.
func readPairs(s string) (target, bool) {
	var t target
	n := 0
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return t, n > 0
		}
		key, rest, ok := strings.Cut(s, "=")
		if key = strings.TrimSpace(key); !ok || key == "" || strings.ContainsAny(key, " '\\") {
			return t, false
		}
		var value string
		if value, s, ok = readQuoted(strings.TrimLeft(rest, " ")); !ok {
			return t, false
		}
		n++
		switch key {
		case "host", "hostaddr":
			t.hosts = append(t.hosts, strings.Split(value, ",")...)
		case "sslmode":
			t.sslmode = value
		case "password":
			t.password = true
		}
	}
}

// readQuoted reads one value and returns what follows it.
func readQuoted(s string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'':
			return b.String(), s[i+1:], true
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), s[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// isLoopbackURL reports whether a URL that endpoint accepted is of this
// machine.
func isLoopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isLoopback(u.Hostname())
}
