package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// newYears is a world whose table items is partitioned by year, with a large
// value in each row, and a publication that is made by somebody else.
func newYears(t *testing.T, api, table, published, viaRoot string) *world {
	t.Helper()
	w := newWorld(t, server, api, simulator.Options{Dedupe: map[string][]string{"Item": {"id", "year"}}})
	w.config.mappings = strings.NewReplacer("public.items", "public."+table, "{id: id}", "{id: id, year: year}").Replace(items)
	for _, sql := range []string{
		`CREATE TABLE items (id bigint, year int, version bigint NOT NULL, pad text, PRIMARY KEY (id, year)) PARTITION BY RANGE (year)`,
		`ALTER TABLE items ALTER pad SET STORAGE EXTERNAL`,
		`CREATE TABLE items_old PARTITION OF items FOR VALUES FROM (2000) TO (2025)`,
		`CREATE TABLE items_new PARTITION OF items FOR VALUES FROM (2025) TO (2100)`,
		`INSERT INTO items SELECT i, 2024 + i % 2, 0, repeat(md5(i::text), 300) FROM generate_series(1, 40) i`,
		`CREATE PUBLICATION ` + w.config.publication + ` FOR TABLE ` + published + ` WITH (publish_via_partition_root = ` + viaRoot + `)`,
	} {
		w.exec(sql)
	}
	return w
}

// TestPartitions maps a partitioned table and one partition, each published as
// it must be. Rows move between partitions, with their large values left alone.
func TestPartitions(t *testing.T) {
	tests := []struct{ name, table, published, viaRoot string }{
		{"the table, by its root", "items", "items", "true"},
		{"a partition by itself", "items_new", "items", "false"},
		{"a partition published alone", "items_new", "items_new", "true"},
	}
	needServer(t)
	t.Parallel()
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newYears(t, apis[i%2], tt.table, tt.published, tt.viaRoot)
			p := w.start()
			w.exec(`UPDATE items SET version = version + 1`)
			w.settle(p)
			w.agree()
			w.exec(`UPDATE items SET year = 4049 - year WHERE id % 4 = 1`) // to the other partition
			w.exec(`UPDATE items SET year = 4049 - year WHERE id % 4 = 2`)
			w.exec(`DELETE FROM items WHERE id % 4 = 3`)
			w.exec(`INSERT INTO items VALUES (100, 2024, 1, 'x'), (101, 2030, 1, 'x')`)
			w.settle(p)
			w.agree()
			w.exec(`CREATE TABLE items_later PARTITION OF items FOR VALUES FROM (2100) TO (2200)`)
			w.exec(`INSERT INTO items VALUES (102, 2150, 1, 'x')`)
			w.settle(p)
			w.agree()
			p.stop(t)
		})
	}
}

// TestPartitionsPublishedTheOtherWay has changes come under a name that is not
// the mapped one: the start refuses, and says how to publish them.
func TestPartitionsPublishedTheOtherWay(t *testing.T) {
	tests := []struct{ name, table, viaRoot, want string }{
		{"the table, but its partitions are sent", "items", "false", "publish_via_partition_root = true"},
		{"a partition, but its root is sent", "items_new", "true", "public.items instead"},
	}
	needServer(t)
	t.Parallel()
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newYears(t, apis[i%2], tt.table, "items", tt.viaRoot)
			p := w.launch()
			if got := p.exit(t, time.Minute); got == 0 || !strings.Contains(p.output.String(), tt.want) {
				t.Errorf("exit code = %d, want a refusal that says %q", got, tt.want)
			}
			if n := len(w.sim.Calls()); n > 0 {
				t.Errorf("%d calls were made", n)
			}
		})
	}
}
