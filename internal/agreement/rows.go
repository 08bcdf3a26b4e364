package agreement

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// readTables reads all mapped tables as of one moment.
func (c *comparison) readTables(ctx context.Context, source *replication.Source) error {
	var tables []catalog.Table
	for _, t := range c.set.Tables() {
		table, err := source.Describe(ctx, t.Schema, t.Name)
		if err != nil {
			return err
		}
		if !table.Exists {
			return fmt.Errorf("compare: table %s.%s does not exist; create it or take its mapping away", t.Schema, t.Name)
		}
		tables = append(tables, table)
	}
	conn, err := source.Connect(ctx)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").Close(); err != nil {
		return fmt.Errorf("compare: begin: %w", err)
	}
	// Before the first snapshot: behind an ALTER TABLE that rewrites a table, an
	// older one would see it empty.
	if err := conn.Exec(ctx, lockAll(tables)).Close(); err != nil {
		return fmt.Errorf("compare: lock the tables: %w", err)
	}
	for i := range tables {
		if err := c.readTable(ctx, conn, &tables[i]); err != nil {
			return fmt.Errorf("compare: read table %s.%s: %w", tables[i].Schema, tables[i].Name, err)
		}
	}
	return conn.Exec(ctx, "COMMIT").Close()
}

func (c *comparison) readTable(ctx context.Context, conn *pgconn.PgConn, table *catalog.Table) error {
	rel := table.Relation()
	if err := c.set.Bind(rel, table.Facts()); err != nil {
		return err
	}
	defer c.set.Unbind(rel)
	mappings := c.set.Mappings(mapping.Table{Schema: table.Schema, Name: table.Name})
	values := make([]pgoutput.Value, len(rel.Columns))
	rows := conn.ExecParams(ctx, selectAll(table, rel), nil, nil, nil, nil)
	for rows.NextRow() {
		for i, text := range rows.Values() {
			values[i] = pgoutput.Value{}
			if text != nil {
				values[i] = pgoutput.Value{Kind: pgoutput.Text, Text: text}
			}
		}
		for _, m := range mappings {
			if err := c.row(m, rel, values); err != nil {
				return err // the caller closes the connection, and the rows with it
			}
		}
	}
	_, err := rows.Close()
	return err
}

// lockAll keeps the definitions of the tables as they are.
func lockAll(tables []catalog.Table) string {
	var names []string
	for i := range tables {
		names = append(names, rowsOf(&tables[i]))
	}
	return "LOCK TABLE " + strings.Join(names, ", ") + " IN ACCESS SHARE MODE"
}

// rowsOf names the rows that the stream would send as the table's own: those
// of partitions, but not those of tables that inherit from it.
func rowsOf(table *catalog.Table) string {
	name := pgx.Identifier{table.Schema, table.Name}.Sanitize()
	if table.Kind == "p" {
		return name
	}
	return "ONLY " + name
}

// selectAll reads the table's own rows.
func selectAll(table *catalog.Table, rel *pgoutput.Relation) string {
	var columns []string
	for _, column := range rel.Columns {
		columns = append(columns, pgx.Identifier{column.Name}.Sanitize())
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + rowsOf(table)
}
