package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/delivery"
)

// hotKeys returns the row of each update of the backlog of w, in their order:
// PostgreSQL draws them again from the seed they were drawn from.
func (d *database) hotKeys(ctx context.Context, w workload) ([]int, error) {
	if err := d.exec(ctx, "SELECT "+seedKeys); err != nil {
		return nil, err
	}
	rows, err := d.conn.Query(ctx, "SELECT "+hotKey(w.keys)+"::bigint FROM generate_series(1, $1)", w.rows-1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	order := make([]int, 0, w.rows)
	for rows.Next() {
		var key int
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		order = append(order, key)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	order = append(order, 1) // the last change of all
	return order, d.checkOrder(ctx, w, order)
}

// checkOrder holds the order against the table: every row says which update was
// its last.
func (d *database) checkOrder(ctx context.Context, w workload, order []int) error {
	rows, err := d.conn.Query(ctx, "SELECT id, substring(city FROM '[0-9]+$')::bigint FROM "+w.table(0)+" WHERE id > 1 AND city ~ '[0-9]$'")
	if err != nil {
		return err
	}
	defer rows.Close()
	last := make(map[int]int)
	for i, key := range order {
		last[key] = i + 1
	}
	delete(last, 1)
	for rows.Next() {
		var key, update int
		if err := rows.Scan(&key, &update); err != nil {
			return err
		}
		if last[key] != update {
			return fmt.Errorf("update %d was the last of row %d; by the order drawn again it was %d", update, key, last[key])
		}
		delete(last, key)
	}
	if len(last) > 0 {
		return errors.Join(rows.Err(), fmt.Errorf("%d rows were never updated, and should have been", len(last)))
	}
	return rows.Err()
}

// reading is how far a daemon had read the backlog at a time after its start.
type reading struct {
	after   time.Duration
	changes int
}

// curve is how the reading of a backlog went on.
type curve []reading

// at returns when change i was read, between the two readings around it.
func (c curve) at(i int) time.Duration {
	n, _ := slices.BinarySearchFunc(c, i+1, func(r reading, changes int) int { return r.changes - changes })
	if n == len(c) {
		return c[n-1].after
	}
	var before reading
	if n > 0 {
		before = c[n-1]
	}
	part := float64(i+1-before.changes) / float64(c[n].changes-before.changes)
	return before.after + time.Duration(part*float64(c[n].after-before.after))
}

// fewestCalls returns the smallest number of calls that can carry changes to
// the rows in order, read as c says, when each waits for at most wait and a
// call takes most objects. For one row alone the fewest is to wait as long as
// its first change may, and to begin anew with the first change after that.
// Together they are no fewer, if every call is full.
func fewestCalls(order []int, c curve, wait time.Duration, most int) int {
	until := make(map[int]time.Duration)
	objects := 0
	for i, key := range order {
		at := c.at(i)
		if end, ok := until[key]; ok && at <= end {
			continue
		}
		until[key] = at + wait
		objects++
	}
	return (objects + most - 1) / most
}

// readEvery is how often a daemon is asked how far it has read. To answer is work
// that it would not have otherwise, so that it is seldom, and not compressed.
const readEvery = 100 * time.Millisecond

// readings asks a daemon how far it has read until ctx ends.
func readings(ctx context.Context, address string, began time.Time) curve {
	var c curve
	every := time.NewTicker(readEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return c
		case <-every.C:
		}
		changes, err := changesRead(ctx, address)
		if err != nil {
			continue // it is not there yet, or not any more
		}
		if len(c) == 0 && changes > 0 || len(c) > 0 && changes > c[len(c)-1].changes {
			c = append(c, reading{time.Since(began), changes})
		}
	}
}

var receivedMetric = regexp.MustCompile(`(?m)^cdcsync_objects_received_total\{[^}]*\} ([0-9.e+]+)$`)

func changesRead(ctx context.Context, address string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	changes := 0.0
	for _, m := range receivedMetric.FindAllSubmatch(text, -1) {
		n, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return 0, err
		}
		changes += n
	}
	return int(changes), nil
}

// fewest has the daemon of a run watched. The function it returns ends that and
// says how few calls would have done; zero for a workload in which no row comes
// twice.
func (s *stage) fewest(ctx context.Context, c contender, b backlog, p *process) func() (int, error) {
	if b.order == nil || !c.ours {
		return func() (int, error) { return 0, nil }
	}
	ctx, stop := context.WithCancel(ctx)
	read := make(chan curve, 1)
	go func() { read <- readings(ctx, s.address, p.began) }()
	return func() (int, error) {
		stop()
		seen := <-read
		if len(seen) == 0 || seen[len(seen)-1].changes < b.rows/2 {
			return 0, errors.New("the daemon did not say how far it had read")
		}
		return fewestCalls(b.order, seen, delivery.DefaultConfig().MaxWait, capacityOf(c.api)), nil
	}
}

// capacityOf is how many objects a call takes.
func capacityOf(api string) int {
	if api == "soap" {
		return 100
	}
	return 300
}
