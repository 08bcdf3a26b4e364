package main

import (
	"fmt"
	"strings"
)

// workload is a backlog: rows changes, in transactions of size changes (all in
// one when zero), spread over tables. Every table gets rows for full batches,
// so that nobody waits for the last batch to fill.
type workload struct {
	name   string
	rows   int
	size   int
	tables int
	// keys, when set, is how many rows exist before the backlog, which then
	// updates them: row k about 1/k as often as row 1 (Zipf's law).
	keys int
	wide bool
	// pair leaves the bare loops and pg_recvlogical out: the workload is
	// compared with another workload of cdcsync.
	pair bool
	// stored has the rows there before the slot: what is read is the table.
	stored bool
}

// Workloads that are not a backlog.
const (
	latencyWorkload = "latency"
	limitsWorkload  = "limits"
	heldWorkload    = "held"
	// backfillWorkload is no backlog either: it is in the table.
	backfillWorkload = "backfill"
)

// wideColumns is how many text columns a wide row has.
const wideColumns = 45

// workloads returns the backlogs in the order they are measured.
func workloads(full bool) []workload {
	n := pick(full, 1_020_000, 240_000)
	return []workload{
		{name: "appends", rows: n, size: 100, tables: 1},
		{name: "backlog4", rows: 4 * n, size: 100, tables: 1, pair: true},
		{name: "hotkeys", rows: n, size: 100, tables: 1, keys: 10_000, pair: true},
		{name: "wide", rows: n / 2, size: 100, tables: 1, wide: true},
		{name: "huge", rows: pick(full, 10_020_000, 480_000), tables: 1, pair: true},
		{name: "tables50", rows: n, size: 100, tables: 50, pair: true},
		{name: "tables200", rows: n, size: 100, tables: 200, pair: true},
	}
}

// fullBatches is a number of rows that makes full batches over both APIs.
const fullBatches = 300

// sized returns w with as many rows as asked for, or a few more.
func (w workload) sized(rows int) workload {
	step := fullBatches * w.tables
	w.rows = (rows + step - 1) / step * step
	return w
}

// transaction is the number of changes in one.
func (w workload) transaction() int {
	if w.size == 0 {
		return w.rows
	}
	return w.size
}

func workloadNames() []string {
	var names []string
	for _, w := range workloads(false) {
		names = append(names, w.name)
	}
	return append(names, latencyWorkload, limitsWorkload, heldWorkload, backfillWorkload)
}

func (w workload) String() string {
	what := "inserts"
	if w.keys > 0 {
		what = fmt.Sprintf("updates of %d rows", w.keys)
	}
	if w.wide {
		what += fmt.Sprintf(" of %d columns", wideColumns)
	}
	return fmt.Sprintf("%s: %s %s, %s a transaction, %d tables", w.name, thousands(w.rows), what, thousands(w.transaction()), w.tables)
}

// table names table i, object its custom object type.
func (w workload) table(i int) string  { return fmt.Sprintf("%s_%d", w.name, i) }
func (w workload) object(i int) string { return fmt.Sprintf("Bench%d", i) }

// columns are those that become attributes, behind the key "id".
func (w workload) columns() []string {
	names := []string{"lead", "city", "zip", "state", "visited_at"}
	if w.wide {
		names = nil
		for i := range wideColumns {
			names = append(names, fmt.Sprintf("c%d", i))
		}
	}
	return names
}

// lastRow is a text in the backlog's last row and in no other.
const lastRow = "the last row of all"

// schema makes the tables and the procedure that fills the backlog.
func (w workload) schema() string {
	var b strings.Builder
	columns := "lead bigint, city text, zip text, state text, visited_at timestamptz"
	if w.wide {
		columns = strings.Join(w.columns(), " text, ") + " text"
	}
	for i := range w.tables {
		fmt.Fprintf(&b, "CREATE TABLE %s (id bigint PRIMARY KEY, %s);\n", w.table(i), columns)
	}
	if w.keys > 0 {
		fmt.Fprintf(&b, "INSERT INTO %s SELECT i, i, 'Springfield', '12345', 'IL', now() FROM generate_series(1, %d) i;\n", w.table(0), w.keys)
	}
	// The last transaction leaves room for the row that marks the end.
	fmt.Fprintf(&b, `CREATE PROCEDURE fill_%s(rows bigint, size bigint) LANGUAGE plpgsql AS $$
DECLARE done bigint := 0; n bigint := 0; part bigint; hot bigint;
BEGIN
  PERFORM %s;
  WHILE done < rows LOOP
    part := least(size, rows - done);
    IF done + part = rows THEN
      part := part - 1;
      %s
      %s
      part := part + 1;
    ELSE
      %s
    END IF;
    done := done + part;
    n := n + 1;
    COMMIT;
  END LOOP;
END $$`, w.name, seedKeys, w.statement(), w.ending(), w.statement())
	return b.String()
}

// statement makes the changes of one transaction: part of them, after done.
func (w workload) statement() string {
	if w.keys > 0 {
		return fmt.Sprintf(`FOR j IN 1..part LOOP
      hot := %s;
      UPDATE %s SET city = 'Springfield ' || done + j, visited_at = clock_timestamp() WHERE id = hot;
    END LOOP;`, hotKey(w.keys), w.table(0))
	}
	return w.insert(fmt.Sprintf("SELECT %s FROM generate_series(1, $2) j", strings.Join(w.values("$1 + j"), ", ")), "done, part")
}

// seedKeys makes hotKey draw the same rows in the same order again.
const seedKeys = "setseed(0.5)"

// hotKey draws one of keys rows, row k about 1/k as often as the first.
func hotKey(keys int) string { return fmt.Sprintf("floor(exp(random() * ln(%d + 1)))", keys) }

// ending makes the last change.
func (w workload) ending() string {
	if w.keys > 0 {
		return fmt.Sprintf("UPDATE %s SET city = '%s' WHERE id = 1;", w.table(0), lastRow)
	}
	values := w.values("$1")
	values[2] = "'" + lastRow + "'"
	return w.insert(fmt.Sprintf("SELECT %s", strings.Join(values, ", ")), "rows")
}

// values are the columns of a new row with that id.
func (w workload) values(id string) []string {
	if !w.wide {
		return []string{id, "100000 + " + id, "'Springfield ' || " + id, "'12345'", "'IL'", "clock_timestamp()"}
	}
	values := []string{id}
	for i := range wideColumns {
		values = append(values, fmt.Sprintf("'column %d of ' || %s", i, id))
	}
	return values
}

// insert inserts into the table whose turn it is.
func (w workload) insert(query, using string) string {
	return fmt.Sprintf("EXECUTE format('INSERT INTO %s_%%s %s', n %% %d) USING %s;", w.name, strings.ReplaceAll(query, "'", "''"), w.tables, using)
}
