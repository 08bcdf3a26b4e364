package replication

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/conninfo"
)

// info reads where to connect to, anew each time.
func (s *Source) info() (conninfo.Info, error) {
	url, reason := s.URL, Configuration
	if s.Reveal != nil {
		var err error
		if url, err = s.Reveal(); err != nil {
			return conninfo.Info{}, problem(File, "source url: %w", err)
		}
		reason = File
		s.used.Store(&url)
	}
	info, err := conninfo.Resolve(url, os.LookupEnv)
	if err != nil {
		return info, problem(reason, "source url: %w", err)
	}
	return info, nil
}

// passed are the key words that the library reads as libpq does.
var passed = []string{
	"user", "password", "passfile", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "sslnegotiation",
	"channel_binding", "require_auth", "min_protocol_version", "max_protocol_version", "service", "servicefile",
}

// libraryString writes info for the library. What it says goes before the
// environment, which the library reads, too.
func libraryString(info conninfo.Info, hosts []conninfo.Host) string {
	var b strings.Builder
	put := func(name, value string) {
		b.WriteString(name + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "' ")
	}
	for _, name := range passed {
		if info.Has(name) {
			put(name, info.Get(name))
		}
	}
	for name, usual := range map[string]string{"target_session_attrs": "any", "sslcertmode": "allow"} {
		if value := info.Get(name); value != "" {
			usual = value
		}
		put(name, usual)
	}
	put("connect_timeout", strconv.Itoa(max(0, seconds(info, "connect_timeout"))))
	database := info.Get("dbname")
	if database == "" {
		database = info.Get("user") // as libpq has it, so that the password file is read for it
	}
	put("dbname", database)
	var names, ports []string
	for _, h := range hosts {
		if h.Address != "" && (h.Name == "" || strings.HasPrefix(h.Name, "/")) {
			h.Name = h.Address
		}
		names, ports = append(names, h.Name), append(ports, h.Port)
	}
	put("host", strings.Join(names, ","))
	put("port", strings.Join(ports, ","))
	return b.String()
}

// seconds returns a number that was checked; 0 where there is none.
func seconds(info conninfo.Info, name string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(info.Get(name)))
	return n
}

// order returns the servers as they are to be tried this time.
func order(info conninfo.Info) []conninfo.Host {
	hosts := info.Hosts()
	if info.Get("load_balance_hosts") == "random" {
		rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	}
	return hosts
}

// config is the configuration of every connection; streams says that this one is
// to bring a stream.
func (s *Source) config(streams bool) (*pgconn.Config, error) {
	info, err := s.info()
	if err != nil {
		return nil, err
	}
	hosts := order(info)
	config, err := pgconn.ParseConfig(libraryString(info, hosts))
	if err != nil {
		reason, words := libraryProblem(err)
		return nil, problem(reason, "source url: %s", words)
	}
	if config.Database == "" {
		config.Database = config.User
	}
	config.RuntimeParams = map[string]string{"application_name": "cdcsync"}
	for _, name := range []string{"fallback_application_name", "application_name"} {
		if value := info.Get(name); value != "" {
			config.RuntimeParams["application_name"] = value
		}
	}
	if options := info.Get("options"); options != "" {
		config.RuntimeParams["options"] = options
	}
	maps.Copy(config.RuntimeParams, format)
	maps.Copy(config.RuntimeParams, behaviour)
	limitTLS(config, info)
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = or(s.ConnectTimeout, defaultConnectTimeout)
	}
	config.LookupFunc = lookup(hosts)
	config.DialFunc = dialFunc(info, streams)
	if s.Dial != nil {
		config.DialFunc = s.Dial
	}
	return config, nil
}

// lookup finds the addresses of a host: those that were given for it, else
// those that the resolver knows.
func lookup(hosts []conninfo.Host) pgconn.LookupFunc {
	given := map[string][]string{}
	for _, h := range hosts {
		if h.Name != "" && h.Address != "" {
			given[h.Name] = append(given[h.Name], h.Address)
		}
	}
	return func(ctx context.Context, host string) ([]string, error) {
		if addresses := given[host]; addresses != nil {
			return addresses, nil
		}
		return net.DefaultResolver.LookupHost(ctx, host)
	}
}

// dialFunc makes the network connections.
func dialFunc(info conninfo.Info, streams bool) pgconn.DialFunc {
	d := dialer(info, streams)
	owner := info.Get("requirepeer")
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil || owner == "" || network != "unix" {
			return conn, err
		}
		if err := checkPeer(conn, owner); err != nil {
			_ = conn.Close() // nothing was sent
			return nil, err
		}
		return conn, nil
	}
}

var versionsOfTLS = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// limitTLS sets the versions of TLS. Left out, they are those of Go, which are
// those of libpq.
func limitTLS(config *pgconn.Config, info conninfo.Info) {
	least, most := versionsOfTLS[info.Get("ssl_min_protocol_version")], versionsOfTLS[info.Get("ssl_max_protocol_version")]
	all := []*tls.Config{config.TLSConfig}
	for _, f := range config.Fallbacks {
		all = append(all, f.TLSConfig)
	}
	for _, c := range all {
		if c != nil {
			c.MinVersion, c.MaxVersion = least, most
		}
	}
}

// libraryProblem says what the library could not use, without any value: its
// own words may repeat a password. Files are read for every connection, so that
// what is wrong with one may pass.
func libraryProblem(err error) (Reason, string) {
	var file *fs.PathError
	if errors.As(err, &file) {
		return File, fmt.Sprintf("%s %s: %v", file.Op, file.Path, file.Err)
	}
	for words, meaning := range map[string]string{
		`both "sslcert" and "sslkey"`: "sslcert and sslkey belong together; give both or neither",
		"unable to add CA":            "the file of sslrootcert holds no certificate",
		"system certificate pool":     "sslrootcert=system: this system has no certificates",
		"failed to decode sslkey":     "the file of sslkey holds no key in PEM form",
		"unable to find sslpassword":  "the key of sslkey is encrypted; give sslpassword",
		"unable to decrypt key":       "the key of sslkey cannot be decrypted with sslpassword",
		"unable to load cert":         "sslcert and sslkey do not belong together, or are no certificate and key in PEM form",
	} {
		if strings.Contains(err.Error(), words) {
			return File, meaning
		}
	}
	return Configuration, "the connection cannot be set up from it and the PG* variables"
}

// dialer finds out within a minute that the other side is gone: the kernel
// probes an idle connection, and gives up on unacknowledged bytes. What libpq
// calls keepalives and tcp_user_timeout changes that.
func dialer(info conninfo.Info, streams bool) *net.Dialer {
	d := &net.Dialer{
		Timeout: 10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 4,
		},
	}
	if n := seconds(info, "connect_timeout"); n > 0 {
		d.Timeout = time.Duration(n) * time.Second
	}
	if info.Get("keepalives") == "0" {
		d.KeepAliveConfig, d.KeepAlive = net.KeepAliveConfig{}, -1
	}
	if n := seconds(info, "keepalives_idle"); n > 0 {
		d.KeepAliveConfig.Idle = time.Duration(n) * time.Second
	}
	if n := seconds(info, "keepalives_interval"); n > 0 {
		d.KeepAliveConfig.Interval = time.Duration(n) * time.Second
	}
	if n := seconds(info, "keepalives_count"); n > 0 {
		d.KeepAliveConfig.Count = n
	}
	unacknowledged := unacknowledgedLimit
	if n := seconds(info, "tcp_user_timeout"); n > 0 {
		unacknowledged = time.Duration(n) * time.Millisecond
	}
	d.Control = tuneSocket(unacknowledged, streams)
	return d
}

// unacknowledgedLimit has the kernel drop a connection whose bytes are not
// acknowledged for that long; the default is about a quarter of an hour.
const unacknowledgedLimit = time.Minute
