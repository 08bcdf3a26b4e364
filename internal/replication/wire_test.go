package replication

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func framed(kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(b, body...)
}

// TestWireCuts: messages come out whole, however the network cuts them, and
// also those larger than the buffer.
func TestWireCuts(t *testing.T) {
	sizes := []int{0, 1, 100, usualBuffer - 5, usualBuffer, 3*usualBuffer + 7, 2, 0}
	var sent []byte
	for i, size := range sizes {
		sent = append(sent, framed(byte('a'+i), bytes.Repeat([]byte{byte(i)}, size))...)
	}
	readers := map[string]func(io.Reader) io.Reader{
		"whole":               func(r io.Reader) io.Reader { return r },
		"one byte":            iotest.OneByteReader,
		"halves":              iotest.HalfReader,
		"data with the error": iotest.DataErrReader,
	}
	for name, cut := range readers {
		t.Run(name, func(t *testing.T) {
			w := newWire(cut(bytes.NewReader(sent)))
			for i, size := range sizes {
				kind, body, err := w.next()
				if err != nil || kind != byte('a'+i) || len(body) != size || bytes.Count(body, []byte{byte(i)}) != size {
					t.Fatalf("message %d: kind %q, %d bytes, %v; want %q, %d bytes", i, kind, len(body), err, byte('a'+i), size)
				}
			}
			if _, _, err := w.next(); err != io.EOF {
				t.Errorf("at the end: %v, want EOF", err)
			}
			if got := w.bytes.Load(); got != uint64(len(sent)) {
				t.Errorf("%d bytes counted, want %d", got, len(sent))
			}
			if len(w.buf) != usualBuffer {
				t.Errorf("the buffer stays at %d bytes, want %d", len(w.buf), usualBuffer)
			}
		})
	}
}

func TestWireEnds(t *testing.T) {
	whole := framed('d', []byte("body"))
	for n := 1; n < len(whole); n++ {
		if _, _, err := newWire(bytes.NewReader(whole[:n])).next(); err != io.ErrUnexpectedEOF {
			t.Errorf("cut after %d bytes: %v, want unexpected EOF", n, err)
		}
	}
	for _, header := range []string{"d\x00\x00\x00\x03", "d\xff\xff\xff\xff", "d\x40\x00\x00\x01"} {
		w := newWire(bytes.NewReader([]byte(header)))
		if _, _, err := w.next(); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("header %q: %v, want an error about its size", header, err)
		}
	}
	announced := newWire(bytes.NewReader([]byte("d\x3f\xff\xff\xff...")))
	if _, _, err := announced.next(); err != io.ErrUnexpectedEOF || len(announced.buf) > 2*usualBuffer {
		t.Errorf("a huge announcement: %v with a buffer of %d bytes", err, len(announced.buf))
	}
	if _, _, err := newWire(nothing{}).next(); err != io.ErrNoProgress {
		t.Errorf("a reader that returns nothing: %v, want no progress", err)
	}
	if _, _, err := newWire(iotest.ErrReader(errors.New("broken"))).next(); err == nil || err.Error() != "broken" {
		t.Errorf("a broken reader: %v", err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// TestWireHandsOver: what reads through Read takes nothing that next needs.
func TestWireHandsOver(t *testing.T) {
	w := newWire(bytes.NewReader(append([]byte("start"), framed('d', []byte("body"))...)))
	start := make([]byte, 5)
	if n, err := w.Read(make([]byte, 100)); n != 1 || err != nil {
		t.Fatalf("Read() = %d, %v; want one byte", n, err)
	}
	if _, err := io.ReadFull(w, start[:4]); err != nil || string(start[:4]) != "tart" {
		t.Fatalf("read %q, %v", start[:4], err)
	}
	if !w.complete() {
		t.Error("complete() = false with a whole message in memory")
	}
	if kind, body, err := w.next(); kind != 'd' || string(body) != "body" || err != nil {
		t.Errorf("next() = %q, %q, %v", kind, body, err)
	}
	if w.complete() {
		t.Error("complete() = true with nothing left")
	}
}

// trickle is a server that has a row ready whenever it is asked, and more of
// them the longer it was left alone; after a backlog it is silent between rows.
type trickle struct {
	row     []byte
	every   time.Duration // between rows
	sent    time.Time
	backlog int // rows
	reads   int
}

func (r *trickle) Read(p []byte) (int, error) {
	r.reads++
	if r.backlog == 0 {
		time.Sleep(busyTime / 4)
		return copy(p, r.row), nil
	}
	if wait := r.every - time.Since(r.sent); wait > 0 {
		time.Sleep(wait)
	}
	n, rows := 0, int(time.Since(r.sent)/r.every)
	for range min(rows, r.backlog) {
		n += copy(p[n:], r.row)
		r.backlog--
	}
	r.sent = time.Now()
	return n, nil
}

// TestWireGathers: in a backlog the rows come together; a single row is handed
// on at once, also right after a backlog.
func TestWireGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows = 10_000
		r := &trickle{row: framed('d', make([]byte, 100)), every: 10 * time.Microsecond, backlog: rows, sent: time.Now()}
		w := newWire(r)
		w.gather = gatherTime
		for range rows {
			if _, _, err := w.next(); err != nil {
				t.Fatal(err)
			}
		}
		if most := int(busyTime/r.every) + 2*rows/int(gatherTime/r.every); r.reads > most {
			t.Errorf("%d reads for %d rows, want at most %d", r.reads, rows, most)
		}
		for range 10 {
			if _, _, err := w.next(); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, _, err := w.next(); err != nil || time.Since(began) != busyTime/4 {
			t.Errorf("a single row after %v, %v; want it at once, after %v", time.Since(began), err, busyTime/4)
		}
	})
}

// FuzzWire: any bytes, in any pieces, give messages or an error.
func FuzzWire(f *testing.F) {
	f.Add(append(framed('d', []byte("body")), framed('Z', nil)...))
	f.Add([]byte{})
	f.Add([]byte("d\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWire(iotest.HalfReader(bytes.NewReader(data)))
		var back []byte
		for {
			kind, body, err := w.next()
			if err != nil {
				break
			}
			back = append(back, framed(kind, body)...)
		}
		if !bytes.HasPrefix(data, back) {
			t.Fatalf("%q came out of %q", back, data)
		}
	})
}

// BenchmarkWire reads rows of a common size from memory.
func BenchmarkWire(b *testing.B) {
	message := framed('d', make([]byte, 130))
	chunk := bytes.Repeat(message, 1000)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	r := bytes.NewReader(chunk)
	w := newWire(r)
	for b.Loop() {
		_, _, err := w.next()
		if err == io.EOF {
			r.Reset(chunk)
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
