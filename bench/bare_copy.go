package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// copyTable is the bare loop of a backfill: one COPY of the whole table, whose rows
// become bodies as they come. It sees one snapshot for as long as that takes, minds no
// change of the table, and cannot be interrupted: a floor, not a program.
func copyTable(ctx context.Context, url, table, object string, p *poster) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r, err := copiedRelation(ctx, conn, table, object)
	if err != nil {
		return err
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: "COPY (SELECT * FROM " + table + ") TO STDOUT"})
	if err := conn.Frontend().Flush(); err != nil {
		return err
	}
	for {
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if err := p.add(r, m.Data); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return errors.New(m.Message)
		case *pgproto3.ReadyForQuery:
			p.send(r)
			return p.finish()
		}
	}
}

// copiedRelation describes a table as the stream would.
func copiedRelation(ctx context.Context, conn *pgconn.PgConn, table, object string) (*bareRelation, error) {
	result := conn.ExecParams(ctx, "SELECT * FROM "+table+" LIMIT 0", nil, nil, nil, nil)
	r := &bareRelation{object: object, values: eachCopied}
	for i, field := range result.FieldDescriptions() {
		r.columns = append(r.columns, newBareColumn(field.Name, field.DataTypeOID, i))
	}
	_, err := result.Close()
	return r, err
}

// eachCopied calls value for every column of a row of COPY's text format. The tables
// hold nothing that it escapes; but it has to be looked for.
func eachCopied(row []byte, value func(i int, text []byte)) error {
	if bytes.IndexByte(row, '\\') >= 0 {
		return errors.New("a row that is escaped")
	}
	row = bytes.TrimSuffix(row, []byte("\n"))
	for i := 0; ; i++ {
		at := bytes.IndexByte(row, '\t')
		if at < 0 {
			value(i, row)
			return nil
		}
		value(i, row[:at])
		row = row[at+1:]
	}
}
