package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Standby makes a standby of c that streams from it: a copy of all its files,
// so that, unlike a base backup, it has the replication slots too, as a
// failover tool would have copied them. c is stopped for the time of the copy,
// and runs again afterwards. The caller owns the standby and must Close it; it
// outlives c.
func (c *Cluster) Standby(ctx context.Context, options Options) (*Cluster, error) {
	if err := c.Stop(ctx, Fast); err != nil && !errors.Is(err, ErrStopped) {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	s := &Cluster{bin: c.bin, account: c.account}
	if err := s.makeDir(options.Dir); err != nil {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	err := s.copyOf(ctx, c, options)
	if again := c.Restart(ctx); again != nil {
		err = errors.Join(err, again)
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a standby: %w", err), s.Close())
	}
	return s, nil
}

// copyOf makes the files of a standby out of those of a stopped server.
func (c *Cluster) copyOf(ctx context.Context, primary *Cluster, options Options) error {
	if output, err := exec.CommandContext(ctx, "cp", "-Rp", primary.data(), c.data()).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", primary.data(), err, tail(string(output)))
	}
	signal := filepath.Join(c.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	if err := c.account.own(signal); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	c.port = port
	settings := map[string]string{
		"primary_conninfo":            "host=127.0.0.1 user=postgres port=" + strconv.Itoa(primary.port),
		"wal_retrieve_retry_interval": "100ms",
	}
	maps.Copy(settings, options.Settings)
	options.Settings = settings
	return c.configure(options)
}

// Promote makes a standby a primary, and waits until it is one.
func (c *Cluster) Promote(ctx context.Context) error {
	if err := c.Exec(ctx, "postgres", "SELECT pg_promote()"); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	return nil
}
