package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// DefaultListen is the address to listen on where none is configured.
const DefaultListen = "127.0.0.1:9640"

const (
	// A slow or oversized request must cost next to nothing.
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 16 << 10

	// stopTimeout is how long answers under way may take after the end.
	stopTimeout = 2 * time.Second
)

// Serve answers requests on listen (host:port; empty means DefaultListen)
// until ctx ends, which is no error, or the listener fails. When it returns,
// it no longer listens and its connections are closed. webConfig is the path of
// a web configuration (https://github.com/prometheus/exporter-toolkit), which is
// read again by itself; "" for none.
func Serve(ctx context.Context, listen, webConfig string, handler http.Handler) error {
	if listen == "" {
		listen = DefaultListen
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w: set http.listen to a free address", err)
	}
	return serve(ctx, listener, webConfig, handler)
}

func serve(ctx context.Context, listener net.Listener, webConfig string, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
	}
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &webConfig}, slog.New(slog.DiscardHandler))
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("stop HTTP: %w", err)
	}
	return nil
}
