package replication_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// BenchmarkStream reads a backlog of transactions of 100 rows from a real
// server, over TCP and over the Unix socket; the same backlog every time.
func BenchmarkStream(b *testing.B) {
	const transactions, size = 2000, 100
	d := newDatabase(b, "CREATE TABLE t (id bigint PRIMARY KEY, lead bigint, city text, zip text, state text, at timestamptz)")
	from := d.capture("t")
	d.exec(fmt.Sprintf(`CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..%d LOOP
		INSERT INTO t SELECT i * 1000 + j, j, 'Springfield', '12345', 'IL', now() FROM generate_series(1, %d) j; COMMIT; END LOOP; END $$`,
		transactions, size), "CALL fill()")
	for name, url := range map[string]string{"tcp": d.source.URL, "socket": d.cluster.SocketURL(d.name)} {
		b.Run(name, func(b *testing.B) {
			source := &replication.Source{URL: url, Slot: d.source.Slot, Publication: d.source.Publication}
			b.ReportAllocs()
			var took time.Duration
			rows := 0
			for b.Loop() {
				var s *replication.Stream
				clustertest.Eventually(b, "the slot is free", func() bool {
					var err error
					s, err = source.Stream(b.Context(), from)
					return err == nil
				})
				begun := time.Now()
				for commits := 0; commits < transactions; {
					m, err := s.Next()
					if err != nil {
						b.Fatal(err)
					}
					switch m.(type) {
					case *pgoutput.Change:
						rows++
					case *pgoutput.Commit:
						commits++
					}
				}
				took += time.Since(begun)
				s.Abort()
			}
			b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
		})
	}
}
