// Package conninfo reads PostgreSQL connection strings as libpq has them: the
// URL and the key=value form, what PG* variables and the service file add, and
// every parameter key word there is.
//
// A connection string may be a secret in any of its parts, above all when it is
// malformed: no error shows more of it than key words of libpq, and words that
// are known in advance. An error says what is wrong and what to do.
package conninfo

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Info is what is known of a connection. The zero Info says nothing, which
// leaves everything to the defaults. It cannot be printed.
type Info struct {
	values map[string]value
}

// value is what one key word has, and where it was found: "" for the
// connection string itself.
type value struct{ text, origin string }

// Format hides the values from every verb.
func (Info) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(connection)") }

// Get returns the value of a key word, "" where it has none.
func (i Info) Get(name string) string { return i.values[name].text }

// Has reports whether the key word was given, if only as an empty value.
func (i Info) Has(name string) bool {
	_, ok := i.values[name]
	return ok
}

// Host is one server to try: a name or the directory of a socket, "" for the
// default; an address in place of looking the name up, "" for none; and a
// port, "" for the default.
type Host struct{ Name, Address, Port string }

// Hosts returns the servers in the order in which they are to be tried. There
// is at least one.
func (i Info) Hosts() []Host {
	names, addresses, ports := list(i.Get("host")), list(i.Get("hostaddr")), list(i.Get("port"))
	hosts := make([]Host, max(len(names), len(addresses), 1))
	for n := range hosts {
		if n < len(names) {
			hosts[n].Name = names[n]
		}
		if n < len(addresses) {
			hosts[n].Address = addresses[n]
		}
		switch {
		case n < len(ports):
			hosts[n].Port = strings.TrimSpace(ports[n])
		case len(ports) == 1: // for all of them
			hosts[n].Port = strings.TrimSpace(ports[0])
		}
	}
	return hosts
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// Ignored returns what was given and has no effect, one clause for each, where
// that may matter to who gave it.
func (i Info) Ignored() []string {
	var clauses []string
	for _, name := range slices.Sorted(maps.Keys(i.values)) {
		if why := keywords[name].ignored; why != "" && why != harmless && i.Get(name) != "" {
			clauses = append(clauses, "has "+i.place(name)+", which changes nothing: "+why)
		}
	}
	return clauses
}

// place names a key word, or the variable or service that it comes from.
func (i Info) place(name string) string {
	if origin := i.values[name].origin; origin != "" {
		return origin
	}
	return name
}

// Parse reads a connection string by itself: no variable, no file and no
// default. Blanks and quotes around it do not count. The empty string says
// nothing.
func Parse(text string) (Info, error) {
	text, err := strip(text)
	if err != nil || text == "" {
		return Info{}, err
	}
	if wrong := misplaced(text); wrong != "" {
		return Info{}, errors.New(wrong)
	}
	i := Info{values: map[string]value{}}
	if isURL(text) {
		err = i.readURL(text)
	} else {
		err = i.readPairs(text)
	}
	if err == nil {
		err = i.check()
	}
	if err != nil {
		return Info{}, err
	}
	return i, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// strip takes away what surrounds a string that was copied from somewhere.
func strip(text string) (string, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF"))
	if strings.IndexByte(text, 0) >= 0 {
		return "", errors.New("has a zero byte; write it as text")
	}
	for _, quote := range []string{`"`, `'`, "`"} {
		if !strings.HasPrefix(text, quote) {
			continue
		}
		if len(text) < 2 || !strings.HasSuffix(text, quote) {
			return "", errors.New("begins with a quote that does not end; take it away")
		}
		return strings.TrimSpace(text[1 : len(text)-1]), nil
	}
	return text, nil
}

const example = "postgres://user@host:5432/database"

// others are the beginnings of what other databases and drivers use.
var others = map[string]string{
	"mysql": "MySQL", "mysql2": "MySQL", "mariadb": "MariaDB", "mssql": "SQL Server", "sqlserver": "SQL Server", "oracle": "Oracle",
	"mongodb": "MongoDB", "mongodb+srv": "MongoDB", "redis": "Redis", "rediss": "Redis", "sqlite": "SQLite", "file": "a file",
	"http": "the web", "https": "the web", "amqp": "a message broker", "kafka": "Kafka",
	"pgsql": "PHP", "postgis": "Rails", "prisma": "Prisma", "prisma+postgres": "Prisma", "cockroachdb": "CockroachDB", "odbc": "ODBC",
}

// misplaced says why text cannot be a connection string of libpq, "" when it
// can.
func misplaced(text string) string {
	if isURL(text) {
		return ""
	}
	lower := strings.ToLower(text)
	scheme, _, hasScheme := strings.Cut(lower, "://")
	hasScheme = hasScheme && !strings.ContainsAny(scheme, " =\t\r\n@'\"")
	at := strings.Index(lower, "postgres://")
	if other := strings.Index(lower, "postgresql://"); at < 0 || other >= 0 && other < at {
		at = other
	}
	switch {
	case isURL(lower):
		return "begins with postgres:// in capitals; write it in lower case"
	case strings.HasPrefix(lower, "jdbc:postgresql:"):
		return "is a URL of Java's; take jdbc: away, and put user and : and what belongs to it before the host: postgres://user:…@host:5432/database"
	case strings.HasPrefix(lower, "jdbc:"):
		return "is a URL of Java's and not for PostgreSQL; write " + example
	case hasScheme && (strings.HasPrefix(scheme, "postgres+") || strings.HasPrefix(scheme, "postgresql+")):
		return "names a driver behind postgresql; take the + and the driver away"
	case hasScheme && others[scheme] != "":
		return "is a URL for " + others[scheme] + " (" + scheme + "://); write " + example
	case at > 0:
		return "has something before postgres://; take it away"
	case hasScheme:
		return "begins with a scheme that is not PostgreSQL's; write " + example
	case strings.HasPrefix(lower, "postgres:"), strings.HasPrefix(lower, "postgresql:"):
		return "lacks the // of postgres://; write " + example
	case strings.HasPrefix(lower, "pgsql:"):
		return "is of PHP's form; write " + example
	case !strings.Contains(text, "="):
		return "is neither a URL (" + example + ") nor key=value pairs (host=… dbname=…)"
	case strings.Contains(text, ";") && swallowed.MatchString(text) && !strings.ContainsAny(text, "'"):
		return "has pairs with ; in between, as other drivers use them; write host=… user=… dbname=… with blanks in between, or " + example
	}
	return ""
}

// set stores a value of the connection string.
func (i *Info) set(name, text string) {
	if name == "requiressl" {
		mode := "prefer"
		if text == "1" {
			mode = "require"
		}
		name, text = "sslmode", mode
	}
	i.values[name] = value{text: text}
}

// check looks at the values. No text of theirs is shown.
func (i Info) check() error {
	for _, name := range slices.Sorted(maps.Keys(i.values)) {
		v := i.values[name]
		if strings.IndexByte(v.text, 0) >= 0 {
			return fmt.Errorf("has a zero byte in %s; write it as text", i.place(name))
		}
		if check := keywords[name].check; check != nil {
			if wrong := check(v.text); wrong != "" {
				return fmt.Errorf("has a value for %s that cannot be used: %s", i.place(name), wrong)
			}
		}
	}
	for _, name := range []string{"user", "dbname"} {
		if swallowed.MatchString(i.Get(name)) {
			return fmt.Errorf("has more pairs in %s; they are written with blanks in between", i.place(name))
		}
	}
	if least, most := i.Get("min_protocol_version"), i.Get("max_protocol_version"); least != "" && most != "" && least > most {
		return errors.New("has a min_protocol_version above its max_protocol_version")
	}
	hosts, addresses, ports := len(list(i.Get("host"))), len(list(i.Get("hostaddr"))), len(list(i.Get("port")))
	switch {
	case hosts > 0 && addresses > 0 && hosts != addresses:
		return fmt.Errorf("has %d hosts and %d in hostaddr; give as many of each", hosts, addresses)
	case ports > 1 && ports != max(hosts, addresses, 1):
		return fmt.Errorf("has %d hosts and %d ports; give one port for all, or one for each host", max(hosts, addresses, 1), ports)
	}
	return nil
}
