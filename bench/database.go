package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// database is the throwaway server, with a session of our own.
type database struct {
	cluster *cluster.Cluster
	conn    *pgx.Conn
	url     string
	bin     string
	version string
	slots   int
}

const databaseName = "bench"

// openDatabase starts a server that does nothing by itself while others are
// measured: no vacuum, no checkpoint.
func openDatabase(ctx context.Context, dir string) (*database, error) {
	bin, err := cluster.Find()
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(dir, "postgresql"), Settings: map[string]string{
		"autovacuum": "off", "checkpoint_timeout": "1d", "max_wal_size": "100GB", "shared_buffers": "256MB", "max_connections": "20",
	}})
	if err != nil {
		return nil, err
	}
	d := &database{cluster: c, bin: bin}
	if d.url, err = c.NewDatabase(ctx, databaseName); err == nil {
		d.conn, err = pgx.Connect(ctx, d.url)
	}
	if err == nil {
		err = d.conn.QueryRow(ctx, "SELECT current_setting('server_version')").Scan(&d.version)
	}
	if err != nil {
		return nil, errors.Join(err, d.close(ctx))
	}
	return d, nil
}

func (d *database) close(ctx context.Context) error {
	var err error
	if d.conn != nil {
		err = d.conn.Close(context.WithoutCancel(ctx))
	}
	return errors.Join(err, d.cluster.Close())
}

func (d *database) exec(ctx context.Context, sql string) error {
	_, err := d.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// backlog is what all contenders of a workload read: the WAL from where the
// slot of that name stands to end.
type backlog struct {
	workload
	end pglsn
	// order is the row of each change, where rows come more than once.
	order []int
}

type pglsn = pgoutput.LSN

// fill makes the tables, the publication and the slot of a workload, and then
// its backlog.
func (d *database) fill(ctx context.Context, w workload) (backlog, error) {
	b := backlog{workload: w}
	if err := d.prepare(ctx, w); err != nil {
		return b, fmt.Errorf("prepare %s: %w", w.name, err)
	}
	if err := d.exec(ctx, fmt.Sprintf("CALL fill_%s(%d, %d)", w.name, w.rows, w.transaction())); err != nil {
		return b, fmt.Errorf("fill %s: %w", w.name, err)
	}
	var err error
	if b.end, err = d.position(ctx); err != nil || w.keys == 0 {
		return b, err
	}
	if b.order, err = d.hotKeys(ctx, w); err != nil {
		return b, fmt.Errorf("draw the keys of %s again: %w", w.name, err)
	}
	return b, nil
}

// prepare makes everything but the backlog.
func (d *database) prepare(ctx context.Context, w workload) error {
	if err := d.exec(ctx, w.schema()); err != nil {
		return err
	}
	var tables []string
	for i := range w.tables {
		tables = append(tables, w.table(i))
	}
	if err := d.exec(ctx, fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", w.name, strings.Join(tables, ", "))); err != nil {
		return err
	}
	return d.exec(ctx, fmt.Sprintf("CHECKPOINT; SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", w.name))
}

// position is the end of the WAL.
func (d *database) position(ctx context.Context) (pglsn, error) {
	var text string
	if err := d.conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return 0, fmt.Errorf("read the end of the WAL: %w", err)
	}
	return parseLSN(text)
}

// parseLSN reads X/X.
func parseLSN(text string) (pglsn, error) {
	high, low, ok := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err != nil || err2 != nil {
		return 0, fmt.Errorf("position %q is not X/X", text)
	}
	return pglsn(h<<32 | l), nil
}

// copySlot gives a run a slot of its own at the start of the backlog.
func (d *database) copySlot(ctx context.Context, from string) (string, error) {
	d.slots++
	name := fmt.Sprintf("run_%d", d.slots)
	return name, d.exec(ctx, fmt.Sprintf("SELECT pg_copy_logical_replication_slot('%s', '%s')", from, name))
}

// dropSlot drops a slot whose walsender may still be ending.
func (d *database) dropSlot(ctx context.Context, name string) error {
	return until(ctx, settleTime, "slot "+name+" is free", func() (bool, error) {
		err := d.exec(ctx, fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", name))
		var busy *pgconn.PgError
		if errors.As(err, &busy) && busy.Code == "55006" { // object_in_use
			return false, nil
		}
		return true, err
	})
}

// clean removes a workload, so that its WAL can go.
func (d *database) clean(ctx context.Context, w workload) error {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT pg_drop_replication_slot('%s'); DROP PUBLICATION %s; DROP PROCEDURE fill_%s;", w.name, w.name, w.name)
	for i := range w.tables {
		fmt.Fprintf(&b, "DROP TABLE %s;", w.table(i))
	}
	if err := d.exec(ctx, b.String()); err != nil {
		return fmt.Errorf("clean up after %s: %w", w.name, err)
	}
	return d.exec(ctx, "CHECKPOINT")
}

// slotState is what the server shows of a slot.
type slotState struct {
	confirmed pglsn
	// walsender is the process that serves it; zero when there is none.
	walsender int
	// lag is how far the slot is behind the end of the WAL, in bytes.
	lag int64
}

func (d *database) slot(ctx context.Context, name string) (slotState, error) {
	var s slotState
	var text string
	var pid *int
	err := d.conn.QueryRow(ctx, `SELECT confirmed_flush_lsn::text, active_pid, (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint
		FROM pg_replication_slots WHERE slot_name = $1`, name).Scan(&text, &pid, &s.lag)
	if err != nil {
		return s, fmt.Errorf("look at slot %s: %w", name, err)
	}
	if pid != nil {
		s.walsender = *pid
	}
	s.confirmed, err = parseLSN(text)
	return s, err
}
