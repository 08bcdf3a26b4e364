package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, in which /proc counts CPU; 100 on every Linux
// platform that Go runs on.
const ticksPerSecond = 100

// cpuOf returns the CPU time a process has used, zero where /proc does not say.
func cpuOf(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return parseStat(data)
}

// parseStat reads utime and stime, the 14th and 15th field. The second field
// is a name that may hold anything, and ends at the last parenthesis.
func parseStat(data []byte) time.Duration {
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// peakOf returns the largest resident size a process has had, in bytes.
func peakOf(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return parsePeak(data)
}

// parsePeak reads the line "VmHWM: 1234 kB". Unlike ru_maxrss it does not
// begin with the size of the process that started this one.
func parsePeak(data []byte) int64 {
	_, rest, found := bytes.Cut(data, []byte("\nVmHWM:"))
	fields := strings.Fields(string(rest[:min(len(rest), 40)]))
	if !found || len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// loadAverage is that of the last minute, "" where nobody knows.
func loadAverage() string { return firstWord("/proc/loadavg") }

// congestionControl is how the kernel decides how much of a TCP stream is under
// way at once, "" where nobody knows. All contenders read and post over TCP of
// one machine, and are up to twice as fast with one as with another.
func congestionControl() string { return firstWord("/proc/sys/net/ipv4/tcp_congestion_control") }

// firstWord returns the first word of a file, "" where there is none.
func firstWord(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	return word
}

// memory is the machine's, in bytes.
func memory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	kb, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

const (
	// settleTime bounds what has to come of itself within moments.
	settleTime = 30 * time.Second
	// pollEvery is how often a run is looked at; the error of its time.
	pollEvery = 10 * time.Millisecond
)

// until polls done. The error of one that does not come in time names what.
func until(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-poll.C:
		}
	}
}
