package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// simulateFlags are the flags of cdcsync simulate.
type simulateFlags struct {
	listen  string
	objects string
	dedupe  []string
	latency time.Duration
	limits  string
	keys    string
	record  bool
	options simulator.Options
}

func simulateCommand() *cobra.Command {
	f := &simulateFlags{}
	command := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a simulated Marketo instance to try things on",
		Long: `Simulate serves what behaves like a Marketo instance, SOAP and REST, until it
is stopped. It prints the configuration that points cdcsync at it.

Without --objects it learns object types from the calls: over SOAP by
themselves, over REST with --dedupe. It keeps everything in memory. Look at it
under /_simulator/: objects, calls, stats; program faults with faults.`,
		Example: `  cdcsync simulate
  cdcsync simulate --objects objects.yaml --latency 1200ms
  cdcsync simulate --dedupe RoadShow=MKTOID,rid --limits lifted
  cdcsync simulate --limits calls_per_20s=50,concurrent_calls=5,calls_per_day=1000`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.complete(); err != nil {
				return usageError{err}
			}
			return f.serve(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9650", "address to serve on; cdcsync accepts plain http on loopback only")
	flags.StringVar(&f.options.UserID, "user-id", simulator.DefaultUserID, "SOAP user id")
	flags.StringVar(&f.options.SecretKey, "secret-key", simulator.DefaultSecretKey, "SOAP secret key")
	flags.StringVar(&f.options.ClientID, "client-id", simulator.DefaultClientID, "REST client id")
	flags.StringVar(&f.options.ClientSecret, "client-secret", simulator.DefaultClientSecret, "REST client secret")
	flags.StringVar(&f.objects, "objects", "", "YAML file of the object types; without it types are learnt from the calls")
	flags.StringArrayVar(&f.dedupe, "dedupe", nil, "dedupe fields of a type to learn, as Type=field,field; may stand several times")
	flags.StringVar(&f.keys, "keys", string(simulator.ExactKeys), "how keys of learnt types are compared: exact, or fold, which takes keys that differ only in case or trailing blanks for one")
	flags.DurationVar(&f.latency, "latency", 0, "how long a call takes, give or take a fifth")
	flags.StringVar(&f.limits, "limits", "marketo", "marketo (100 calls in 20 s, 10 at once, 10,000 SOAP or 50,000 REST calls a day), lifted, or a list such as calls_per_20s=50,concurrent_calls=5,calls_per_day=1000, where 0 lifts one")
	flags.BoolVar(&f.record, "record", false, "keep the keys of each call and every value of each object, for tests; memory grows with each call")
	return command
}

// complete turns the flags into options.
func (f *simulateFlags) complete() error {
	if f.objects != "" && len(f.dedupe) > 0 {
		return errors.New("--objects and --dedupe exclude each other: name the dedupe fields in the file")
	}
	f.options.Keys = simulator.KeyRule(f.keys)
	if f.options.Keys != simulator.ExactKeys && f.options.Keys != simulator.FoldKeys {
		return fmt.Errorf("--keys %q: allowed are %s and %s", f.keys, simulator.ExactKeys, simulator.FoldKeys)
	}
	if f.latency < 0 {
		return errors.New("--latency must not be negative")
	}
	f.options.Latency = simulator.Latency{Fixed: f.latency, Jitter: 0.2}
	f.options.RecordKeys, f.options.RecordHistory = f.record, f.record
	if f.objects != "" {
		types, err := simulator.ReadTypes(f.objects)
		if err != nil {
			return fmt.Errorf("--objects: %w; docs/simulator.md says what the file holds", err)
		}
		f.options.Types = types
	}
	f.options.Dedupe = map[string][]string{}
	for _, hint := range f.dedupe {
		name, fields, ok := strings.Cut(hint, "=")
		if !ok || name == "" || fields == "" {
			return fmt.Errorf("--dedupe %q: write it as Type=field,field", hint)
		}
		f.options.Dedupe[name] = strings.Split(fields, ",")
	}
	limits, err := parseLimits(f.limits)
	f.options.Limits = limits
	return err
}

// parseLimits reads the value of --limits. Limits a list leaves out are
// Marketo's own.
func parseLimits(text string) (simulator.Limits, error) {
	limits := simulator.MarketoLimits()
	switch text {
	case "marketo":
		return limits, nil
	case "lifted":
		return simulator.Limits{}, nil
	}
	for _, item := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(item, "=")
		number, err := strconv.Atoi(value)
		if err != nil || number < 0 {
			return limits, fmt.Errorf("--limits %q: %q needs a whole number, 0 lifts the limit", text, name)
		}
		switch name {
		case "calls_per_20s":
			limits.Calls = number
		case "concurrent_calls":
			limits.Concurrent = number
		case "calls_per_day":
			limits.SOAPDaily, limits.RESTDaily = number, number
		default:
			return limits, fmt.Errorf("--limits %q: %q is none of calls_per_20s, concurrent_calls, calls_per_day", text, name)
		}
	}
	return limits, nil
}

// serve runs the simulator until ctx ends.
func (f *simulateFlags) serve(ctx context.Context, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("simulate: %w; choose another address with --listen", err)
	}
	sim := simulator.New(f.options)
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	if err := f.introduce(out, listener.Addr().String()); err != nil {
		_ = listener.Close() // nothing was served
		return fmt.Errorf("simulate: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("simulate: %w", err)
	case <-ctx.Done():
	}
	sim.Close()
	// The signal's context is over; calls under way get a little time.
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(rest); err != nil {
		_ = server.Close() // what has not ended by now is cut off
	}
	<-served
	return nil
}

// introduce says what is served and how to use it.
func (f *simulateFlags) introduce(out io.Writer, address string) error {
	_, err := fmt.Fprintf(out, `A simulated Marketo instance is at http://%[1]s; it keeps everything in memory.
Point cdcsync at it with one of:

marketo:
  soap:
    endpoint: http://%[1]s/soap/mktows/2_3
    user_id: %[2]q
    secret_key: %[3]q

marketo:
  rest:
    endpoint: http://%[1]s
    client_id: %[4]q
    client_secret: %[5]q

%[6]sLook at it:
  curl http://%[1]s/_simulator/stats
  curl http://%[1]s/_simulator/objects
  curl http://%[1]s/_simulator/calls
Make the next five calls fail:
  curl -d '{"status": 503, "times": 5}' http://%[1]s/_simulator/faults
`, address, f.options.UserID, f.options.SecretKey, f.options.ClientID, f.options.ClientSecret, f.lacking())
	return err
}

// lacking says what a REST client would miss.
func (f *simulateFlags) lacking() string {
	if f.objects != "" || len(f.dedupe) > 0 {
		return ""
	}
	return "Over REST a call does not say which fields are the key, so that types are not found (610)\nuntil they are named: cdcsync simulate --dedupe Type=field,field\n\n"
}
