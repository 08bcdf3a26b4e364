package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// bare is the bare loop: it receives, parses as little as it must and, with a
// poster, posts bodies of the form that cdcsync posts. It reads no status,
// keeps nothing, repeats nothing: a floor, not a program.
type bare struct {
	conn *pgconn.PgConn
	end  pglsn
	// poster is nil where rows are only counted.
	poster    *poster
	relations map[uint32]*bareRelation
	rows      int
	// received is the end of the last commit; told when the server last heard
	// of us.
	received pglsn
	told     time.Time
}

func runBare(ctx context.Context, args []string) error {
	set := flag.NewFlagSet(modeBare, flag.ContinueOnError)
	url := set.String("url", "", "database")
	slot := set.String("slot", "", "slot")
	publication := set.String("publication", "", "publication")
	end := set.String("end", "", "position to stop at")
	api := set.String("api", "", "soap, rest, or empty to post nothing")
	sinkURL := set.String("sink", "", "address of the sink")
	concurrency := set.Int("concurrency", 5, "calls at once")
	table := set.String("copy", "", "copy this table instead of reading the stream")
	object := set.String("object", "", "type of the objects that its rows become")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *table != "" {
		return copyTable(ctx, *url, *table, *object, newPoster(*api, *sinkURL, *concurrency))
	}
	b := &bare{relations: make(map[uint32]*bareRelation)}
	var err error
	if b.end, err = parseLSN(*end); err != nil {
		return err
	}
	if *api != "" {
		b.poster = newPoster(*api, *sinkURL, *concurrency)
	}
	config, err := pgconn.ParseConfig(*url)
	if err != nil {
		return err
	}
	config.RuntimeParams["replication"] = "database"
	if b.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		return err
	}
	defer b.conn.Close(context.WithoutCancel(ctx))
	err = pglogrepl.StartReplication(ctx, b.conn, *slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", fmt.Sprintf("publication_names '%s'", *publication)},
	})
	if err != nil {
		return err
	}
	return b.loop(ctx)
}

// loop runs to the end of the backlog, and confirms it.
func (b *bare) loop(ctx context.Context) error {
	for b.received < b.end {
		message, err := b.conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		data, ok := message.(*pgproto3.CopyData)
		if !ok {
			return fmt.Errorf("unexpected message %T", message)
		}
		if err := b.copyData(data.Data); err != nil {
			return err
		}
	}
	if b.poster != nil {
		for _, r := range b.relations {
			b.poster.send(r)
		}
		if err := b.poster.finish(); err != nil {
			return err
		}
	}
	if err := b.status(b.received); err != nil {
		return err
	}
	_, err := pglogrepl.SendStandbyCopyDone(ctx, b.conn)
	return err
}

var errShort = errors.New("a message is cut short")

// copyData takes one message of the stream: data, or a keepalive.
func (b *bare) copyData(data []byte) error {
	switch {
	case len(data) > 25 && data[0] == 'w':
		return b.message(data[25:])
	case len(data) == 18 && data[0] == 'k':
		b.received = max(b.received, pglsn(binary.BigEndian.Uint64(data[1:])))
		if data[17] != 0 {
			return b.status(0)
		}
		return nil
	}
	return errShort
}

func (b *bare) message(m []byte) error {
	switch m[0] {
	case 'I':
		return b.row(m[1:])
	case 'U':
		// No old row: the key of the benchmark's tables never changes.
		return b.row(m[1:])
	case 'C':
		if len(m) < 26 {
			return errShort
		}
		b.received = pglsn(binary.BigEndian.Uint64(m[10:]))
		if time.Since(b.told) > 10*time.Second {
			return b.status(0)
		}
	case 'R':
		r, err := parseRelation(m[1:])
		if err != nil {
			return err
		}
		b.relations[r.id] = r
	}
	return nil
}

// row handles: relation, 'N', columns.
func (b *bare) row(m []byte) error {
	if len(m) < 7 || m[4] != 'N' {
		return errShort
	}
	r := b.relations[binary.BigEndian.Uint32(m)]
	if r == nil {
		return errors.New("a row of a relation that was not described")
	}
	b.rows++
	if b.poster != nil {
		return b.poster.add(r, m[5:])
	}
	return skipTuple(m[5:])
}

// status tells the server what was received, and what of it was confirmed.
func (b *bare) status(confirmed pglsn) error {
	b.told = time.Now()
	data := make([]byte, 0, 34)
	data = append(data, 'r')
	data = binary.BigEndian.AppendUint64(data, uint64(max(b.received, confirmed)))
	data = binary.BigEndian.AppendUint64(data, uint64(confirmed))
	data = binary.BigEndian.AppendUint64(data, uint64(confirmed))
	data = binary.BigEndian.AppendUint64(data, uint64(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds()))
	data = append(data, 0)
	message, err := (&pgproto3.CopyData{Data: data}).Encode(nil)
	if err != nil {
		return err
	}
	return b.conn.Frontend().SendUnbufferedEncodedCopyData(message)
}
