package conninfo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func none(string) (string, bool) { return "", false }

// shown writes what an Info has, for comparison.
func shown(i Info) string {
	var words []string
	for name := range keywords {
		if i.Has(name) {
			words = append(words, name+"="+i.Get(name))
		}
	}
	return sorted(words)
}

func sorted(words []string) string {
	for i := range words {
		for j := i; j > 0 && words[j] < words[j-1]; j-- {
			words[j], words[j-1] = words[j-1], words[j]
		}
	}
	return strings.Join(words, " ")
}

// The forms of PostgreSQL's documentation, "Connection Strings", and what its
// description of the grammar adds.
func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"postgresql://":                      "",
		"postgresql://localhost":             "host=localhost",
		"postgresql://localhost:5433":        "host=localhost port=5433",
		"postgresql://localhost/mydb":        "dbname=mydb host=localhost",
		"postgresql://user@localhost":        "host=localhost user=user",
		"postgresql://user:secret@localhost": "host=localhost password=secret user=user",
		"postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp":          "application_name=myapp connect_timeout=10 dbname=otherdb host=localhost user=other",
		"postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp": "application_name=myapp dbname=somedb host=host1,host2 port=123,456 target_session_attrs=any",
		"postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff":             "dbname=mydb host=localhost options=-c synchronous_commit=off port=5433 user=user",
		"postgresql:///mydb?host=localhost&port=5433":                                             "dbname=mydb host=localhost port=5433",
		"postgresql://[2001:db8::1234]/database":                                                  "dbname=database host=2001:db8::1234",
		"postgresql://[2001:db8::1234]:5433,[::1]/database":                                       "dbname=database host=2001:db8::1234,::1 port=5433,",
		"postgresql:///dbname?host=/var/lib/postgresql":                                           "dbname=dbname host=/var/lib/postgresql",
		"postgresql://%2Fvar%2Flib%2Fpostgresql/dbname":                                           "dbname=dbname host=/var/lib/postgresql",
		"postgres://a,b,c/d":                                        "dbname=d host=a,b,c port=,,",
		"postgres://a:1,b,c:3/d":                                    "dbname=d host=a,b,c port=1,,3",
		"postgres://:5433/d":                                        "dbname=d port=5433",
		"postgres://u@/d":                                           "dbname=d user=u",
		"postgres://u@h?sslmode=disable":                            "host=h sslmode=disable user=u",
		"postgres://u@h/d?ssl=true":                                 "dbname=d host=h sslmode=require user=u",
		"postgres://u@h/d?requiressl=1":                             "dbname=d host=h sslmode=require user=u",
		"postgres://u@h/?":                                          "host=h user=u",
		"postgres://u:a%40b%3A%2F%3F%23%25@h/d":                     "dbname=d host=h password=a@b:/?#% user=u",
		"postgres://u:a:b@h/d":                                      "dbname=d host=h password=a:b user=u",
		"postgres://u:a?b#c@h/d":                                    "dbname=d host=h password=a?b#c user=u",
		"postgres://u:a+b@h/d":                                      "dbname=d host=h password=a+b user=u",
		"postgres://me%40server@h/d":                                "dbname=d host=h user=me@server",
		"postgres://h/d?user=me@server":                             "dbname=d host=h user=me@server",
		"postgres://u@h/d%20e":                                      "dbname=d e host=h user=u",
		"postgres://u@h/d?host=i&host=j":                            "dbname=d host=j user=u",
		"host=localhost port=5432 dbname=mydb connect_timeout=10":   "connect_timeout=10 dbname=mydb host=localhost port=5432",
		"host = localhost\tuser='a b'\npassword = 'it\\'s \\\\ me'": "host=localhost password=it's \\ me user=a b",
		"password='' host=h":                                        "host=h password=",
		`password=a\ b host=h`:                                      "host=h password=a b",
		"host=a,b hostaddr=10.0.0.1,::1 port=5432":                  "host=a,b hostaddr=10.0.0.1,::1 port=5432",
		"host=/tmp,localhost port=1,2":                              "host=/tmp,localhost port=1,2",
		"user='a:b' host=h":                                         "host=h user=a:b",
		// What surrounds a string that was copied is not part of it.
		"  postgres://h/d\r\n": "dbname=d host=h",
		`"postgres://h/d"`:     "dbname=d host=h",
		`'host=h user=u'`:      "host=h user=u",
		" ' host=h ' ":         "host=h",
		"\uFEFFpostgres://h/d": "dbname=d host=h",
		"`postgres://h/d`":     "dbname=d host=h",
	} {
		got, err := Parse(text)
		if err != nil || shown(got) != want {
			t.Errorf("%q: got %s, %v, want %s", text, shown(got), err, want)
		}
	}
}

// Every key hush of libpq is taken, in both forms.
func TestKeywordsOfLibpq(t *testing.T) {
	samples := map[string]string{
		"host": "h", "hostaddr": "127.0.0.1", "port": "5432", "require_auth": "scram-sha-256,!md5"[:13], "channel_binding": "prefer",
		"connect_timeout": "5", "keepalives": "1", "keepalives_idle": "1", "keepalives_interval": "1", "keepalives_count": "1",
		"tcp_user_timeout": "1", "sslmode": "prefer", "sslnegotiation": "postgres", "sslcertmode": "allow", "sslsni": "1",
		"min_protocol_version": "3.0", "max_protocol_version": "latest", "target_session_attrs": "any", "load_balance_hosts": "random",
		"ssl_min_protocol_version": "TLSv1.2", "ssl_max_protocol_version": "TLSv1.3", "requiressl": "1", "gssencmode": "prefer",
	}
	for name := range keywords {
		value := samples[name]
		if value == "" {
			value = "x"
		}
		for _, text := range []string{"postgres:///?" + name + "=" + value, "dbname=d " + name + "=" + value} {
			if _, err := Parse(text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	for _, name := range []string{"gssencmode", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "hostaddr",
		"load_balance_hosts", "channel_binding", "krbsrvname", "gsslib", "gssdelegation", "sslcompression", "sslcrl", "sslcrldir", "requiressl", "options",
		"tcp_user_timeout", "target_session_attrs", "sslnegotiation", "min_protocol_version", "max_protocol_version", "sslkeylogfile",
		"ssl_min_protocol_version", "ssl_max_protocol_version", "require_auth", "requirepeer", "sslcertmode", "sslsni", "passfile",
		"service", "servicefile", "client_encoding", "replication", "fallback_application_name", "scram_client_key", "oauth_issuer"} {
		if _, ok := keywords[name]; !ok {
			t.Errorf("%s is not known", name)
		}
	}
	info, err := Parse("host=h sslcrl=x gssencmode=prefer oauth_client_secret=hush")
	if got := strings.Join(info.Ignored(), "; "); err != nil || !strings.Contains(got, "has sslcrl, which changes nothing") || strings.Contains(got, "gss") || strings.Contains(got, "hush") {
		t.Errorf("ignored: %s, %v", got, err)
	}
}

const hush = "S3cretPassw0rd"

// What is wrong is said, and what to do; the secret is in no part of it.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://cdc:my@" + hush + "@host/db":           "encode @ as %40",
		"postgres://cdc:my@" + hush + "/x@host/db":         "%40",
		"postgres://cdc:my@" + hush + "?x@host/db":         "%40",
		"postgres://cdc:my@" + hush + ":1@host/db":         "%40",
		"postgres://cdc:my/" + hush + "@host/db":           "%2F",
		"postgres://cdc:my/" + hush + "?a=b@host/db":       "port that is no number",
		"postgres://cdc/" + hush + "@host/db":              "%2F",
		"postgres://cdc:" + hush + "%@host/db":             "encode % as %25",
		"postgres://cdc:" + hush + "%zz@host/db":           "encode % as %25",
		"postgres://cdc:%00" + hush + "@host/db":           "has %00",
		"postgres://cdc:" + hush + " 1@host/db":            "encode a blank as %20",
		"postgres://cdc:" + hush + "\n@host/db":            "encode a blank as %20",
		"postgres://cdc%3A" + hush + "@host/db":            "write the : behind the user as it is",
		"postgres://cdc?" + hush + "@host/db":              "special character in the user",
		"postgres://cdc:[" + hush + "/db":                  "%5B",
		"postgres://[" + hush + "/db":                      "%5B",
		"postgres://[::1]" + hush + "/db":                  "%5B",
		"postgres://cdc:" + hush + "host/db":               "port that is no number",
		"postgres://cdc:" + hush + "@host:" + hush + "/db": "port that is no number",
		"postgres://cdc@ho;st" + hush + "/db":              "no name of a host",
		"postgres://cdc@host/db?sslmode=" + hush:           "has a value for sslmode that cannot be used: allowed are disable",
		"postgres://cdc@host/db?port=" + hush:              "has a value for port that cannot be used",
		"postgres://cdc@host/db?" + hush:                   "%3F",
		"postgres://cdc@host/db?a=b=" + hush:               "%3D",
		"postgres://cdc:p?" + hush + "=x@host/db?y=1@z":    "%40",
		"POSTGRES://cdc:" + hush + "@host/db":              "lower case",
		"jdbc:postgresql://host/db?password=" + hush:       "take jdbc: away",
		"jdbc:mysql://host/db?password=" + hush:            "Java",
		"mysql://cdc:" + hush + "@host/db":                 "MySQL",
		"postgresql+asyncpg://cdc:" + hush + "@host/db":    "take the + and the driver away",
		"S3cret://cdc:" + hush + "@host/db":                "a scheme that is not PostgreSQL's",
		"DATABASE_URL=postgres://cdc:" + hush + "@host/db": "something before postgres://",
		"psql postgres://cdc:" + hush + "@host/db":         "something before postgres://",
		"postgres:/cdc:" + hush + "@host/db":               "lacks the //",
		"cdc:" + hush + "@host/db":                         "neither a URL",
		hush:                                               "neither a URL",
		hush + "=":                                         "none of libpq's",
		hush + "==":                                        "none of libpq's",
		"'postgres://cdc:" + hush + "@host/db":             "a quote that does not end",
		"Host=h;Username=u;Password=" + hush:               "with blanks in between",
		"Server=h;Pwd='" + hush + "'":                      `has "Server", which is none of libpq's`,
		"host=h;password=" + hush:                          "with blanks in between",
		"host=h user=u,password=" + hush + " dbname=d":     "more pairs in user",
		"host=h user=u:" + hush:                            "has a : in user",
		"host=u:" + hush + "@h user=u":                     "no name of a host",
		"host=h:5432 user=u":                               "a port in it",
		"host=h password=my " + hush:                       "word without =",
		"host=h password=my " + hush + "=x":                "none of libpq's",
		"host=h password=my sslmode=disable " + hush + "=": "none of libpq's",
		"host=h password='my" + hush:                       "does not end",
		"host=h password='it's " + hush + "' user=u":       "word without =",
		"host=h hostaddr=" + hush:                          "numeric IP",
		"host=a,b port=1,2,3 password=" + hush:             "2 hosts and 3 ports",
		"host=a,b hostaddr=::1 password=" + hush:           "2 hosts and 1 in hostaddr",
		"host=h connect_timeout=" + hush:                   "whole number",
		"host=h gssencmode=require password=" + hush:       "GSSAPI",
		"host=h password=" + hush + "\x00":                 "zero byte",
		"host=h require_auth=" + hush:                      "such as scram-sha-256",
		"host=h foo=" + hush:                               `has "foo", which is none of libpq's`,
		"host=h password=" + hush + " search_path=x":       `has "search_path", which is none of libpq's`,
		"host=h password=" + hush + " sslmod=x":            `did you mean "sslmode"?`,
		"postgres://u:" + hush + "@h/d?pool_max_conns=3":   `has "pool_max_conns", which is none of libpq's`,
		"postgres://u:" + hush + "@h/d?foo=3":              `has "foo", which is none of libpq's`,
		"postgres://u:" + hush + "@h/d?SSLMODE=disable":    `did you mean "sslmode"?`,
	} {
		for _, text := range []string{text, " " + text + "\n"} {
			_, err := Resolve(text, none)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %s", text, err, want)
				continue
			}
			if part := partOf(err.Error(), hush); part != "" {
				t.Errorf("%q: %q is shown: %v", text, part, err)
			}
		}
	}
}

// partOf returns a part of four or more characters of secret that text has.
func partOf(text, secret string) string {
	for at := 0; at+4 <= len(secret); at++ {
		if part := secret[at : at+4]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

func TestCannotBePrinted(t *testing.T) {
	info, err := Parse("postgres://u:" + hush + "@h/d")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ I Info }
	if got := fmt.Sprintf("%v %+v %#v %s %q %v %+v", info, info, info, info, info, holder{info}, &holder{info}); partOf(got, hush) != "" {
		t.Errorf("got %s", got)
	}
}

func TestEnvironmentAndService(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "services")
	const services = "# comment\n[shop]\nhost=db.example\nport=5433\ngssencmode=disable\ndbname=shop\n[odd]\nfoo=1\n[other]\nhost=x\n"
	if err := os.WriteFile(file, []byte(services), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, env, want string }{
		{"", "PGHOST=h PGUSER=u PGSSLMODE=disable", "host=h sslmode=disable user=u"},
		{"host=a", "PGHOST=h PGPORT=1", "host=a port=1"},
		{"host=a", "PGHOSTADDR=10.0.0.1", "host=a"},
		{"", "PGHOST=h PGREQUIRESSL=1", "host=h sslmode=require"},
		{"", "PGHOST=h PGREQUIRESSL=1 PGSSLMODE=disable", "host=h sslmode=disable"},
		{"service=shop port=1", "PGUSER=u PGPORT=2 PGSERVICEFILE=" + file, "dbname=shop gssencmode=disable host=db.example port=1 service=shop servicefile=" + file + " user=u"},
		{"", "PGSERVICE=shop PGPORT=2 PGSERVICEFILE=" + file, "dbname=shop gssencmode=disable host=db.example port=5433 service=shop servicefile=" + file},
		{"service=none", "PGSERVICEFILE=" + file, "error: names a service, which is not in " + file},
		{"service=odd", "PGSERVICEFILE=" + file, `error: the service file ` + file + ` has "foo", which is none of libpq's`},
		{"service=shop", "PGSERVICEFILE=/nowhere/file", "error: the service file /nowhere/file does not exist"},
		{"", "PGHOST=h PGPORT=my-port", "error: has a value for the variable PGPORT that cannot be used: a number"},
		{"", "PGHOST=h PGSSLMODE=on", "error: has a value for the variable PGSSLMODE"},
	}
	for _, tt := range tests {
		env := map[string]string{"HOME": directory}
		for _, pair := range strings.Fields(tt.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		info, err := Resolve(tt.text, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
		got := shown(info)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q with %q: got %s, want %s", tt.text, tt.env, got, tt.want)
		}
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "[{  }]",
		"host=a,b port=5":                       "[{a  5} {b  5}]",
		"host=a,b port=5,6":                     "[{a  5} {b  6}]",
		"hostaddr=::1,::2 port=5":               "[{ ::1 5} { ::2 5}]",
		"host=a,a hostaddr=127.0.0.1,127.0.0.2": "[{a 127.0.0.1 } {a 127.0.0.2 }]",
		"postgres://a:1,b/d":                    "[{a  1} {b  }]",
	} {
		info, err := Parse(text)
		if got := fmt.Sprint(info.Hosts()); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
}
