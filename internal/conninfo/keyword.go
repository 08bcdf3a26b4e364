package conninfo

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// keyword is one of libpq's parameter key words; see "Parameter Key Words" in
// PostgreSQL's documentation of libpq. Those of all releases are known.
type keyword struct {
	// env is the variable that gives its default; "" for none.
	env string
	// secret values are never part of a name that is shown.
	secret bool
	// ignored is why the keyword changes nothing here; harmless when it may go
	// without a word.
	ignored string
	// check says what is wrong with a value, without the value; "" for nothing.
	check func(string) string
}

const harmless = "harmless"

var keywords = map[string]keyword{
	"host":                 {env: "PGHOST", check: listOf(checkHost)},
	"hostaddr":             {env: "PGHOSTADDR", check: listOf(checkAddress)},
	"port":                 {env: "PGPORT", check: listOf(checkPort)},
	"dbname":               {env: "PGDATABASE"},
	"user":                 {env: "PGUSER"},
	"password":             {env: "PGPASSWORD", secret: true},
	"passfile":             {env: "PGPASSFILE"},
	"require_auth":         {env: "PGREQUIREAUTH", check: checkAuth},
	"channel_binding":      {env: "PGCHANNELBINDING", check: word("disable", "prefer", "require")},
	"connect_timeout":      {env: "PGCONNECT_TIMEOUT", check: number},
	"options":              {env: "PGOPTIONS"},
	"application_name":     {env: "PGAPPNAME"},
	"keepalives":           {check: number},
	"keepalives_idle":      {check: number},
	"keepalives_interval":  {check: number},
	"keepalives_count":     {check: number},
	"tcp_user_timeout":     {check: number},
	"sslmode":              {env: "PGSSLMODE", check: word("disable", "allow", "prefer", "require", "verify-ca", "verify-full")},
	"sslnegotiation":       {env: "PGSSLNEGOTIATION", check: word("postgres", "direct")},
	"sslcert":              {env: "PGSSLCERT"},
	"sslkey":               {env: "PGSSLKEY"},
	"sslpassword":          {env: "PGSSLPASSWORD", secret: true},
	"sslcertmode":          {env: "PGSSLCERTMODE", check: word("disable", "allow", "require")},
	"sslrootcert":          {env: "PGSSLROOTCERT"},
	"sslsni":               {env: "PGSSLSNI", check: word("0", "1")},
	"requirepeer":          {env: "PGREQUIREPEER"},
	"min_protocol_version": {env: "PGMINPROTOCOLVERSION", check: word("3.0", "3.2", "latest")},
	"max_protocol_version": {env: "PGMAXPROTOCOLVERSION", check: word("3.0", "3.2", "latest")},
	"service":              {env: "PGSERVICE"},
	"servicefile":          {env: "PGSERVICEFILE"},
	"target_session_attrs": {env: "PGTARGETSESSIONATTRS", check: word("any", "read-write", "read-only", "primary", "standby", "prefer-standby")},
	"load_balance_hosts":   {env: "PGLOADBALANCEHOSTS", check: word("disable", "random")},

	"ssl_min_protocol_version": {env: "PGSSLMINPROTOCOLVERSION", check: word("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")},
	"ssl_max_protocol_version": {env: "PGSSLMAXPROTOCOLVERSION", check: word("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")},
	// requiressl is what sslmode was called once.
	"requiressl":                {env: "PGREQUIRESSL", check: word("0", "1")},
	"fallback_application_name": {},
	"gssencmode":                {env: "PGGSSENCMODE", ignored: harmless, check: checkGSS},

	// What the program decides itself, and what is of no use to it.
	"client_encoding": {env: "PGCLIENTENCODING", ignored: harmless},
	"replication":     {ignored: harmless},
	"sslcompression":  {env: "PGSSLCOMPRESSION", ignored: harmless},
	"krbsrvname":      {env: "PGKRBSRVNAME", ignored: harmless},
	"gsslib":          {env: "PGGSSLIB", ignored: harmless},
	"gssdelegation":   {env: "PGGSSDELEGATION", ignored: harmless},
	"authtype":        {ignored: harmless},
	"tty":             {ignored: harmless},

	"sslcrl":              {env: "PGSSLCRL", ignored: "certificates that were revoked are not known here"},
	"sslcrldir":           {env: "PGSSLCRLDIR", ignored: "certificates that were revoked are not known here"},
	"sslkeylogfile":       {env: "PGSSLKEYLOGFILE", ignored: "keys of connections are never written down here"},
	"scram_client_key":    {secret: true, ignored: "such keys are not used here"},
	"scram_server_key":    {secret: true, ignored: "such keys are not used here"},
	"oauth_issuer":        {ignored: "OAuth is not used here"},
	"oauth_client_id":     {ignored: "OAuth is not used here"},
	"oauth_client_secret": {secret: true, ignored: "OAuth is not used here"},
	"oauth_scope":         {ignored: "OAuth is not used here"},
	"oauth_ca_file":       {ignored: "OAuth is not used here"},
}

// foreign are words of other drivers and of the server that people write here.
// They may be named wherever they stand: who knows them learns nothing.
var foreign = strings.Fields(`
	search_path currentschema schema statement_timeout lock_timeout idle_in_transaction_session_timeout
	default_transaction_read_only default_transaction_isolation timezone datestyle role work_mem
	pgbouncer connection_limit pool_timeout pool_size pool_max_conns pool_min_conns pool_max_conn_lifetime
	pool_max_conn_idle_time pool_health_check_period pool_mode pooling maxpoolsize minpoolsize socket_timeout sslaccept sslidentity
	ssl sslfactory sslhostnameverifier binary_parameters disable_prepared_binary_result prefer_simple_protocol
	default_query_exec_mode statement_cache_capacity description_cache_capacity prepared_statements
	prepared_statement_cache_size preparethreshold sockettimeout logintimeout connecttimeout tcpkeepalive
	targetservertype loadbalancehosts reconnect adapter encoding charset username database server
	userid uid pwd pass hostname dbhost uselibpqcompat endpoint trustservercertificate timeout commandtimeout`)

// canBeNamed reports whether a foreign keyword is known in advance.
func canBeNamed(name string) bool { return slices.Contains(foreign, strings.ToLower(name)) }

// word makes a check for one of few words.
func word(words ...string) func(string) string {
	return func(s string) string {
		if s == "" || slices.Contains(words, s) {
			return ""
		}
		return "allowed are " + strings.Join(words, ", ")
	}
}

func number(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return ""
	}
	if _, err := strconv.ParseInt(s, 10, 32); err != nil {
		return "a whole number is expected"
	}
	return ""
}

// listOf makes a check for values with commas in between, any of them empty.
func listOf(check func(string) string) func(string) string {
	return func(s string) string {
		for item := range strings.SplitSeq(s, ",") {
			if item == "" {
				continue
			}
			if wrong := check(item); wrong != "" {
				return wrong
			}
		}
		return ""
	}
}

// checkHost accepts names, addresses and directories of sockets. A host is
// shown in errors, so what cannot be one is not taken for one.
func checkHost(s string) string {
	if strings.HasPrefix(s, "/") {
		return ""
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && hostName(name) && checkPort(port) == "" {
		return "it has a port in it; give that as port"
	}
	if hostName(s) {
		return ""
	}
	return "it is no name of a host; encode special characters of what stands before the @"
}

func hostName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' && r != '_'
	}) < 0
}

func checkAddress(s string) string {
	if _, err := netip.ParseAddr(s); err != nil {
		return "a numeric IP address is expected; give a name as host"
	}
	return ""
}

func checkPort(s string) string {
	if n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16); err != nil || n == 0 {
		return "a number from 1 to 65535 is expected"
	}
	return ""
}

func checkGSS(s string) string {
	if s == "require" {
		return "encryption with GSSAPI is not in this program; use sslmode"
	}
	return word("disable", "prefer", "require")(s)
}

var authMethods = []string{"password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"}

func checkAuth(s string) string {
	for method := range strings.SplitSeq(s, ",") {
		if method = strings.TrimPrefix(method, "!"); s != "" && !slices.Contains(authMethods, method) {
			return "allowed are the methods that PostgreSQL's documentation lists, such as scram-sha-256, with commas in between, or each with a ! before it"
		}
	}
	if n := strings.Count(s, "!"); n != 0 && n != strings.Count(s, ",")+1 {
		return "either all methods have a ! before them, or none"
	}
	return ""
}

// swallowed is a value with more pairs in it, as of another driver's string.
var swallowed = regexp.MustCompile(`[;,&]\s*[\w ]+\s*=`)
