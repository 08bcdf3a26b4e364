package replication_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cdcsync/cdcsync/internal/pgoutput/pgoutputtest"
	"github.com/cdcsync/cdcsync/internal/replication"
)

// walsender is a scripted server for what a real one does rarely or slowly.
// It reads on a goroutine of its own, as net.Pipe holds nothing.
type walsender struct {
	t testing.TB
	// settings are what its queries answer; parameters what it reports.
	version, senderTimeout, byteaOutput string
	parameters                          map[string]string
	slot                                string
	// refuse, when set, answers every connection attempt.
	refuse *pgproto3.ErrorResponse
	// script runs when the copy has begun; answer when a status has come.
	script func(*walsender)
	answer func(*walsender, standbyStatus)

	sending  sync.Mutex // held for a write, which may wait for its reader
	backend  *pgproto3.Backend
	mu       sync.Mutex // guards what follows, and refuse
	commands []string
	statuses []standbyStatus
}

// standbyStatus is one standby status update as it came.
type standbyStatus struct {
	write, flush, apply uint64
	reply               bool
	at                  time.Time
}

func newWalsender(t testing.TB) *walsender {
	return &walsender{
		t: t, version: "150000", senderTimeout: "60000", byteaOutput: "hex",
		parameters: map[string]string{"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC"},
		slot: `{"slot_name":"s","plugin":"pgoutput","slot_type":"logical","database":"d","wal_status":"reserved",
			"confirmed_flush_lsn":"0/64","restart_lsn":"0/60","retained":4}`,
	}
}

func (w *walsender) source() *replication.Source {
	return &replication.Source{URL: "postgres://u@127.0.0.1/d?sslmode=disable", Slot: "s", Publication: "p", Dial: w.dial}
}

func (w *walsender) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go w.serve(server)
	return client, nil
}

func (w *walsender) serve(conn net.Conn) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	w.mu.Lock()
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		w.sendTo(backend, refuse)
		return
	}
	hello := []pgproto3.BackendMessage{&pgproto3.AuthenticationOk{}}
	for name, value := range w.parameters {
		hello = append(hello, &pgproto3.ParameterStatus{Name: name, Value: value})
	}
	w.sendTo(backend, append(hello, &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}}, ready)...)
	for {
		m, err := backend.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			w.query(backend, m.String)
		case *pgproto3.CopyData:
			w.status(m.Data)
		case *pgproto3.CopyDone:
			w.sendTo(backend, &pgproto3.CopyDone{}, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, ready)
		case *pgproto3.Terminate:
			return
		}
	}
}

var ready = &pgproto3.ReadyForQuery{TxStatus: 'I'}

func (w *walsender) query(backend *pgproto3.Backend, sql string) {
	w.mu.Lock()
	w.commands = append(w.commands, sql)
	w.mu.Unlock()
	switch {
	case strings.HasPrefix(sql, "START_REPLICATION"):
		w.backend = backend
		w.sendTo(backend, &pgproto3.CopyBothResponse{})
		if w.script != nil {
			go w.script(w)
		}
	case strings.Contains(sql, "set_config"):
		w.sendTo(backend, row("0")...)
	case strings.HasPrefix(sql, "IDENTIFY_SYSTEM"):
		w.sendTo(backend, row("7", "1", "0/FFFF", "d")...)
	case strings.Contains(sql, "server_version_num"):
		w.sendTo(backend, row(w.version, w.byteaOutput, "3", w.senderTimeout)...)
	case strings.Contains(sql, "pg_replication_slots"):
		w.sendTo(backend, row(w.slot)...)
	default:
		w.t.Errorf("the walsender has no answer to %q", sql)
	}
}

// row is the answer to a query of one row.
func row(values ...string) []pgproto3.BackendMessage {
	var fields []pgproto3.FieldDescription
	var texts [][]byte
	for _, v := range values {
		fields = append(fields, pgproto3.FieldDescription{Name: []byte("c"), DataTypeOID: 25})
		texts = append(texts, []byte(v))
	}
	return []pgproto3.BackendMessage{
		&pgproto3.RowDescription{Fields: fields}, &pgproto3.DataRow{Values: texts},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, ready,
	}
}

func (w *walsender) status(data []byte) {
	if len(data) != 34 || data[0] != 'r' {
		w.t.Errorf("status of %d bytes: %q", len(data), data)
		return
	}
	s := standbyStatus{
		write: binary.BigEndian.Uint64(data[1:]), flush: binary.BigEndian.Uint64(data[9:]),
		apply: binary.BigEndian.Uint64(data[17:]), reply: data[33] != 0, at: time.Now(),
	}
	w.mu.Lock()
	w.statuses = append(w.statuses, s)
	w.mu.Unlock()
	if w.answer != nil {
		w.answer(w, s)
	}
}

// seen returns the statuses so far.
func (w *walsender) seen() []standbyStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]standbyStatus(nil), w.statuses...)
}

// send sends messages to the stream.
func (w *walsender) send(messages ...pgproto3.BackendMessage) { w.sendTo(w.backend, messages...) }

// sendTo sends messages in one write; whoever should read them may be gone.
func (w *walsender) sendTo(backend *pgproto3.Backend, messages ...pgproto3.BackendMessage) {
	w.sending.Lock()
	defer w.sending.Unlock()
	for _, m := range messages {
		backend.Send(m)
	}
	_ = backend.Flush()
}

// data wraps a pgoutput message.
func data(m pgoutputtest.Message) *pgproto3.CopyData {
	return &pgproto3.CopyData{Data: append(pgoutputtest.Start('w').U64(0).U64(0).U64(0), m...)}
}

func keepalive(end uint64, reply bool) *pgproto3.CopyData {
	m := pgoutputtest.Start('k').U64(end).U64(0)
	if reply {
		return &pgproto3.CopyData{Data: m.Byte(1)}
	}
	return &pgproto3.CopyData{Data: m.Byte(0)}
}
