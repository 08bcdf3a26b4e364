// Package cluster runs throwaway PostgreSQL servers for tests and the demo.
//
// A Cluster is one server with its own data directory, listening on a free
// port of 127.0.0.1 and on a Unix socket in that directory, with logical
// replication on and passwords off: whoever reaches the port is superuser.
// It is made to be fast and to leave nothing behind, not to keep data: fsync
// is off unless Options say otherwise, and Close removes everything.
//
// The server is a child of this process. On Linux it dies with it; elsewhere
// a process that is killed may leave a server behind, a process that calls
// Close never does. When this process runs as root, the server runs as the
// user postgres or nobody, because PostgreSQL refuses to run as root.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how a Cluster differs from the default one.
type Options struct {
	// Version is the major version of the server, e.g. 18, as FindVersion finds
	// it. Zero takes what Find finds.
	Version int
	// Dir holds the cluster's files; it is made when missing, and removed by
	// Close only when Start made it. The user that the server runs as must be
	// able to reach it. Empty means a new directory below os.TempDir.
	Dir string
	// Settings are written to postgresql.conf after the defaults, e.g.
	// {"wal_sender_timeout": "2s"}.
	Settings map[string]string
	// Durable turns fsync and full-page writes on: slow, but then the data
	// outlives a crash of the machine.
	Durable bool
}

// Cluster is one PostgreSQL server. Its methods may not be called at the same
// time, except URL, SocketURL, Dir and Log.
type Cluster struct {
	bin     string
	dir     string
	port    int
	made    bool
	account *account

	mu     sync.Mutex
	server *server // nil while stopped
	closed bool
}

// startupWait bounds one start of the server, crash recovery included.
const startupWait = 60 * time.Second

// Start makes a cluster and starts its server. It returns when the server
// accepts connections. ctx bounds the start only; the caller owns the Cluster
// and must Close it. Without server programs the error is ErrNotInstalled.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	bin, err := options.find()
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, account: account}
	if err := c.makeDir(options.Dir); err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := c.create(ctx, options); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (o Options) find() (string, error) {
	if o.Version == 0 {
		return Find()
	}
	return FindVersion(o.Version)
}

func (c *Cluster) makeDir(dir string) error {
	var err error
	switch {
	case dir == "":
		dir, err = os.MkdirTemp("", "cdcsync-pg-")
		c.made = true
	default:
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		if _, statErr := os.Stat(dir); errors.Is(statErr, os.ErrNotExist) {
			err = os.MkdirAll(dir, 0o700)
			c.made = true
		}
	}
	if err != nil {
		return err
	}
	c.dir = dir
	return c.account.own(dir)
}

// create runs initdb and starts the server, with another port when somebody
// took the first one in between.
func (c *Cluster) create(ctx context.Context, options Options) error {
	if err := c.initdb(ctx); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		c.port = port
		if err := c.configure(options); err != nil {
			return fmt.Errorf("write postgresql.conf: %w", err)
		}
		err = c.start(ctx)
		if err == nil || attempt == 3 || !strings.Contains(c.Log(), "Address already in use") {
			return err
		}
	}
}

// URL returns the connection string of a database over TCP, for the
// superuser. The database need not exist.
func (c *Cluster) URL(database string) string {
	return "postgres://postgres@127.0.0.1:" + strconv.Itoa(c.port) + "/" + database + "?sslmode=disable"
}

// SocketURL returns the connection string of a database over the Unix socket,
// which is about twice as fast as TCP for a replication stream.
func (c *Cluster) SocketURL(database string) string {
	return fmt.Sprintf("host='%s' port=%d user=postgres dbname='%s' sslmode=disable", c.dir, c.port, database)
}

// Dir returns the directory that holds the cluster: the data directory is
// "data" below it, the server's log is "server.log".
func (c *Cluster) Dir() string { return c.dir }

// Log returns the end of the server's log, at most 8 KiB.
func (c *Cluster) Log() string {
	const most = 8 << 10
	data, err := os.ReadFile(c.logFile())
	if err != nil {
		return ""
	}
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return string(data)
}

func (c *Cluster) logFile() string { return filepath.Join(c.dir, "server.log") }
func (c *Cluster) data() string    { return filepath.Join(c.dir, "data") }

// Close stops the server at once and removes what Start made. It may be called
// more than once.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	var err error
	if c.server != nil {
		err = c.server.stop(context.Background(), Immediate)
		c.server = nil
	}
	if c.made {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	return errors.Join(err, os.RemoveAll(c.data()), os.RemoveAll(c.logFile()))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
