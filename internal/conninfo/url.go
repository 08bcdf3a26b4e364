package conninfo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// None of these names a part that may be secret, as the word itself could be in
// the secret.
var (
	errAt      = errors.New("has two @; encode @ as %40 everywhere but before the host")
	errSlash   = errors.New("has an @ behind a /; before the host encode / as %2F, behind it encode @ as %40")
	errPercent = errors.New("has a % that begins no percent code; encode % as %25")
	errBlank   = errors.New("has a blank or a line break in the URL; encode a blank as %20")
	errUser    = errors.New("has a special character in the user; before the host encode ? # [ ] as %3F %23 %5B %5D, and write the : behind the user as it is")
	errBracket = errors.New("has a [ or ] that does not enclose an address; before the host encode [ ] as %5B %5D")
	errPort    = errors.New("has a port that is no number from 1 to 65535; before the @ encode : / ? as %3A %2F %3F")
	errQuery   = errors.New("has something behind the ? that is not name=value; before the @ encode ? as %3F, in a value encode & = as %26 %3D")
)

// readURL reads libpq's URL:
//
//	postgresql://[user[:password]@][host[:port]][,…][/dbname][?name=value[&…]]
func (i *Info) readURL(text string) error {
	_, rest, _ := strings.Cut(text, "://")
	if strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f }) >= 0 {
		return errBlank
	}
	// libpq takes what is before the first @ for user and password. A second
	// one is nearly always part of a password, and what comes before it would
	// be shown as the name of a host.
	if strings.Count(rest, "@") > 1 {
		return errAt
	}
	if before, after, ok := strings.Cut(rest, "@"); ok && !strings.Contains(before, "/") {
		if err := i.readUser(before); err != nil {
			return err
		}
		rest = after
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if strings.Contains(path, "@") {
		return errSlash
	}
	if err := i.readHosts(hosts); err != nil {
		return err
	}
	if path != "" {
		name, err := decode(path)
		if err != nil {
			return err
		}
		i.set("dbname", name)
	}
	return i.readQuery(query)
}

func (i *Info) readUser(text string) error {
	user, password, both := strings.Cut(text, ":")
	if strings.ContainsAny(user, "?#[]") {
		return errUser
	}
	name, err := decode(user)
	if err != nil {
		return err
	}
	if !both && strings.Contains(name, ":") {
		return errUser
	}
	if name != "" {
		i.set("user", name)
	}
	if !both {
		return nil
	}
	if password, err = decode(password); err == nil {
		i.set("password", password)
	}
	return err
}

// readHosts reads host[:port] with commas in between.
func (i *Info) readHosts(text string) error {
	var names, ports []string
	for part := range strings.SplitSeq(text, ",") {
		name, port, _ := strings.Cut(part, ":")
		if strings.HasPrefix(part, "[") {
			inside, after, ok := strings.Cut(part[1:], "]")
			if !ok || after != "" && after[0] != ':' || inside == "" {
				return errBracket
			}
			name, port = inside, strings.TrimPrefix(after, ":")
		} else if strings.ContainsAny(part, "[]") {
			return errBracket
		}
		if port != "" && checkPort(port) != "" {
			return errPort
		}
		name, err := decode(name)
		if err != nil {
			return err
		}
		names, ports = append(names, name), append(ports, port)
	}
	if all := strings.Join(names, ","); all != "" {
		i.set("host", all)
	}
	if all := strings.Join(ports, ","); all != "" {
		i.set("port", all)
	}
	return nil
}

func (i *Info) readQuery(query string) error {
	if query == "" {
		return nil
	}
	n := 0
	for part := range strings.SplitSeq(query, "&") {
		n++
		rawName, rawValue, ok := strings.Cut(part, "=")
		if !ok || rawName == "" || strings.Contains(rawValue, "=") {
			return errQuery
		}
		name, err := decode(rawName)
		if err != nil {
			return err
		}
		value, err := decode(rawValue)
		if err != nil {
			return err
		}
		if name == "ssl" && value == "true" { // as Java's driver has it
			name, value = "sslmode", "require"
		}
		if _, known := keywords[name]; !known {
			if err := i.check(); err != nil {
				return err
			}
			// With an @ behind the ?, all of this may be part of a password.
			return unknown(name, n, !strings.Contains(query, "@"))
		}
		i.set(name, value)
	}
	return nil
}

// decode replaces percent codes. A + stands for itself, as in libpq.
func decode(s string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "%")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		if len(after) < 2 {
			return "", errPercent
		}
		char, err := hex.DecodeString(after[:2])
		if err != nil {
			return "", errPercent
		}
		if char[0] == 0 {
			return "", errors.New("has %00; write it as text")
		}
		b.Write(char)
		s = after[2:]
	}
}

// unknown is the error of a key word, the nth, that libpq does not have. It is
// named where it cannot be part of a secret.
func unknown(name string, n int, safe bool) error {
	near := nearest(name)
	if near != "" {
		near = `; did you mean "` + near + `"?`
	}
	const remedy = `; take it out. A setting of the session is written options='-c name=value'`
	if canBeNamed(name) || safe && identifier.MatchString(name) {
		return fmt.Errorf("has %q, which is none of libpq's key words%s%s", name, near, remedy)
	}
	return fmt.Errorf("has a key word (number %d) that is none of libpq's%s%s; if it is part of a value, that needs single quotes, or percent codes in a URL", n, near, remedy)
}
