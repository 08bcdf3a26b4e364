package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// awaitParent returns when the process that holds the other end of our input
// has closed it or ended.
func awaitParent() { io.Copy(io.Discard, os.Stdin) }

// sinkProcess is a sink in a process of its own.
type sinkProcess struct {
	cmd   *exec.Cmd
	alive io.WriteCloser
	url   string
}

func startSink(ctx context.Context) (*sinkProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &sinkProcess{cmd: exec.CommandContext(ctx, self, modeSink)}
	p.cmd.Stderr = os.Stderr
	if p.alive, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the sink: %w", err), p.stop())
	}
	p.url = "http://" + strings.TrimSpace(address)
	return p, nil
}

// stop ends the sink and waits for it.
func (p *sinkProcess) stop() error {
	p.alive.Close()
	return p.cmd.Wait()
}

func (p *sinkProcess) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the sink: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the sink: %s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func (p *sinkProcess) reset(ctx context.Context, settings sinkSettings) error {
	query := url.Values{"latency": {settings.Latency.String()}, "track": {fmt.Sprint(settings.Track)}, "hold": {fmt.Sprint(settings.Hold)}}
	_, err := p.get(ctx, "/reset?"+query.Encode())
	return err
}

func (p *sinkProcess) stats(ctx context.Context) (sinkStats, error) {
	var s sinkStats
	text, err := p.get(ctx, "/stats")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("ask the sink: %w", err)
	}
	return s, nil
}
