package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sink answers calls as fast as it can, with a status of its own for every
// object. It speaks just enough HTTP/1.1 for a client that keeps its
// connections: what a general server does besides would be measured too, on
// the same processors as the contenders.
type sink struct {
	mu       sync.Mutex
	settings sinkSettings
	stats    sinkStats
}

// sinkSettings are what a reset sets.
type sinkSettings struct {
	// Latency is how long a call takes, give or take a fifth.
	Latency time.Duration
	// Hold has the row with id 1 get no status.
	Hold bool
	// Track has the times of calls and of objects kept.
	Track bool
}

// sinkStats is what the sink saw since its reset.
type sinkStats struct {
	Calls         int
	Objects       int
	Bytes         int64
	Last          bool // the last row of the backlog has come
	InFlight      int
	MostInFlight  int
	Withheld      int             // statuses
	Starts        []int64         // of calls, in nanoseconds since 1970
	Answered      map[int64]int64 // id of an object: when its status was sent, likewise
	lastRowMarker []byte
}

func newSink() *sink { return &sink{stats: freshStats()} }

func freshStats() sinkStats {
	return sinkStats{Answered: make(map[int64]int64), lastRowMarker: []byte(lastRow)}
}

// runSink serves until its input ends: then whoever started it is gone.
func runSink(ctx context.Context, _ []string, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	go func() {
		awaitParent()
		cancel()
	}()
	return newSink().serve(ctx, listener)
}

// serve answers until ctx ends.
func (s *sink) serve(ctx context.Context, listener net.Listener) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		connections.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			s.converse(conn)
		})
	}
}

// converse answers the requests of one connection until it ends. What is not
// HTTP ends it.
func (s *sink) converse(conn net.Conn) {
	r := bufio.NewReaderSize(conn, 64<<10)
	var body, reply []byte
	for {
		path, length, err := readHead(r)
		if err != nil {
			return
		}
		if cap(body) < length {
			body = make([]byte, length)
		}
		body = body[:length]
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		reply = s.answer(reply[:0], path, body)
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// largestBody is more than any call may carry.
const largestBody = 64 << 20

// readHead reads a request up to its body.
func readHead(r *bufio.Reader) (path string, length int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", 0, err
	}
	_, rest, _ := strings.Cut(string(line), " ")
	path, _, _ = strings.Cut(rest, " ")
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return path, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || length < 0 || length > largestBody {
				return "", 0, errors.New("a length that is none")
			}
		}
	}
}

// answer appends the whole response to a request.
func (s *sink) answer(dst []byte, path string, body []byte) []byte {
	switch {
	case strings.HasPrefix(path, "/rest/"):
		n := countRecords(body)
		s.begin(body, n)
		dst = appendResponse(dst, "application/json", restReply(s.withheld(body, restID), n))
		s.end(body, restID)
	case strings.HasPrefix(path, "/soap/"):
		var reply []byte
		reply, n := soapReply(nil, body, s.withheld(body, soapID))
		s.begin(body, n)
		dst = appendResponse(dst, "text/xml; charset=UTF-8", reply)
		s.end(body, soapID)
	case strings.HasPrefix(path, "/identity/"):
		dst = appendResponse(dst, "application/json", []byte(`{"access_token":"t","token_type":"bearer","expires_in":3599}`))
	case strings.HasPrefix(path, "/reset?"):
		s.reset(path)
		dst = appendResponse(dst, "text/plain", nil)
	case path == "/stats":
		s.mu.Lock()
		text, _ := json.Marshal(s.stats) // it has nothing that JSON cannot carry
		s.mu.Unlock()
		dst = appendResponse(dst, "application/json", text)
	default:
		dst = append(dst, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"...)
	}
	return dst
}

func appendResponse(dst []byte, kind string, body []byte) []byte {
	dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: "...)
	dst = append(dst, kind...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// begin counts a call, and takes as long as a call takes.
func (s *sink) begin(body []byte, objects int) {
	last := bytes.Contains(body, s.stats.lastRowMarker)
	s.mu.Lock()
	s.stats.Calls++
	s.stats.Objects += objects
	s.stats.Bytes += int64(len(body))
	s.stats.Last = s.stats.Last || last
	s.stats.InFlight++
	s.stats.MostInFlight = max(s.stats.MostInFlight, s.stats.InFlight)
	if s.settings.Track {
		s.stats.Starts = append(s.stats.Starts, time.Now().UnixNano())
	}
	latency := s.settings.Latency
	s.mu.Unlock()
	if latency > 0 {
		time.Sleep(shortest(latency) + rand.N(latency*2/5))
	}
}

// shortest is what a call takes at least.
func shortest(latency time.Duration) time.Duration { return latency * 4 / 5 }

// withheld is how many of a call's objects, from the first, get no status. The
// row that is held is the first of its call: it is the oldest of all.
func (s *sink) withheld(body []byte, id func([]byte) (int64, []byte, bool)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, _, ok := id(body); !s.settings.Hold || !ok || n != 1 {
		return 0
	}
	s.stats.Withheld++
	return 1
}

// end notes when the objects of a body were answered. id finds the next one's.
func (s *sink) end(body []byte, id func([]byte) (int64, []byte, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.InFlight--
	if !s.settings.Track {
		return
	}
	now := time.Now().UnixNano()
	for n, rest, ok := id(body); ok; n, rest, ok = id(rest) {
		s.stats.Answered[n] = now
	}
}

// reset forgets what was seen. The path is /reset?latency=300ms&track=true.
func (s *sink) reset(path string) {
	_, query, _ := strings.Cut(path, "?")
	values, _ := url.ParseQuery(query) // our own; what is wrong with it is zero
	latency, _ := time.ParseDuration(values.Get("latency"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = sinkSettings{Latency: latency, Track: values.Get("track") == "true", Hold: values.Get("hold") == "true"}
	s.stats = freshStats()
}
