package config

import (
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// reading is a Config being read, with what the files say besides it.
type reading struct {
	*Config
	globs []glob
}

// glob is an entry of mapping_files.
type glob struct {
	pattern string
	node    *yaml.Node
}

// schema lists every key of the main file.
func (r *reading) schema() []field {
	delivery, limits := &r.Delivery, &r.Marketo.Limits
	return []field{
		{name: "source", inner: r.source(), after: r.sourceGiven},
		{name: "marketo", inner: []field{
			{name: "soap", decode: reader{read: r.soap}, inner: soapFields(&SOAP{})},
			{name: "rest", decode: reader{read: r.rest}, inner: restFields(&REST{})},
			{name: "timeout", decode: duration(&r.Marketo.Timeout, time.Second, 10*time.Minute)},
			{name: "limits", inner: []field{
				{name: "calls_per_20s", decode: whole(&limits.CallsPer20s, 0, 100)},
				{name: "concurrent_calls", decode: whole(&limits.ConcurrentCalls, 0, 10)},
				{name: "calls_per_day", decode: whole(&limits.CallsPerDay, 0, 1_000_000_000)},
				{name: "instance_calls_per_day", decode: whole(&limits.InstanceCallsPerDay, 0, 1_000_000_000)},
			}},
		}, after: r.oneAPI},
		{name: "delivery", inner: []field{
			{name: "max_wait", decode: duration(&delivery.MaxWait, 0, time.Hour)},
			{name: "max_pending", decode: whole(&delivery.MaxPending, 1, 100_000_000)},
			{name: "max_pending_bytes", decode: size(&delivery.MaxPendingBytes, 1<<20, 1<<40)},
			{name: "on_reject", decode: oneOf(&delivery.OnReject, []string{"park", "halt"}, []OnReject{Park, Halt})},
			{name: "max_parked", decode: whole(&delivery.MaxParked, 0, 100_000_000)},
			{name: "max_deletes", decode: whole(&delivery.MaxDeletes, 0, 1_000_000_000)},
			{name: "backfill_share", decode: fraction(&delivery.BackfillShare, 0.01, 1)},
			{name: "live_reserve", decode: fraction(&delivery.LiveReserve, 0, 0.99)},
			{name: "suppress_unchanged", decode: boolean(&delivery.SuppressUnchanged)},
			{name: "max_retained_wal", decode: size(&delivery.MaxRetainedWAL, 0, 1<<50)},
			{name: "unknown_hold", decode: duration(&delivery.UnknownHold, time.Second, time.Hour)},
			{name: "shutdown_timeout", decode: duration(&delivery.ShutdownTimeout, time.Second, time.Hour)},
		}},
		{name: "state", decode: reader{r.state, anyText}},
		{name: "http", inner: []field{
			{name: "listen", decode: textOf(&r.HTTP.Listen, checkListen)},
			{name: "web_config", decode: reader{r.webConfig, anyText}},
			{name: "token_file", decode: reader{r.tokenFile, anyText}},
		}},
		{name: "log", inner: []field{
			{name: "level", decode: oneOf(&r.Log.Level, []string{"debug", "info", "warn", "error"},
				[]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError})},
			{name: "format", decode: oneOf(&r.Log.Format, []string{"text", "json"}, []string{"text", "json"})},
		}},
		{name: "mapping_files", decode: reader{r.mappingFiles, several(anyText)}},
		{name: "mappings", decode: reader{r.mappings, several(nil)}, inner: mappingFields(&draft{})},
	}
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func (r *reading) source() []field {
	return append(secretFields(&r.Source.URL, "url"),
		field{name: "slot", decode: textOf(&r.Source.Slot, func(s string) string {
			if slotName.MatchString(s) {
				return ""
			}
			return "a slot's name has 1 to 63 lower-case letters, digits and underscores"
		})},
		field{name: "publication", decode: textOf(&r.Source.Publication, func(s string) string {
			if len(s) <= 63 && !strings.ContainsRune(s, 0) {
				return ""
			}
			return "a publication's name has at most 63 bytes"
		})},
		field{name: "publish_columns", decode: reader{r.publishColumns, words("all", "mapped")}})
}

// publishColumns warns of what a column list does to statements of others.
func (r *reading) publishColumns(d *decoder, n *yaml.Node, path string) {
	oneOf(&r.Source.PublishMapped, []string{"all", "mapped"}, []bool{false, true}).read(d, n, path)
	if r.Source.PublishMapped {
		d.warn(n, path, "gives the publication column lists: with one, ALTER TABLE … DROP COLUMN of a listed column fails, and every UPDATE and DELETE of a table that is set to REPLICA IDENTITY FULL later; leave it out unless a column is too large to be sent")
	}
}

// state reads where the durable state is kept.
func (r *reading) state(d *decoder, n *yaml.Node, path string) {
	s, ok := d.filled(n, path)
	if !ok {
		return
	}
	name, isSQLite := strings.CutPrefix(s, "sqlite:")
	switch {
	case strings.Contains(s, "://"):
		// A URL may hold a password: it is not shown.
		d.at(n, path, "is a URL, and not of a file, which this version cannot use for its state; write sqlite:PATH")
	case !isSQLite, name == "", name == ":memory:", strings.ContainsAny(name, "?\x00"):
		d.at(n, path, "is "+shown(n.Value)+"; allowed is sqlite:PATH, for example sqlite:cdcsync.db")
	case filepath.IsAbs(name):
		r.State.SQLite = name
	default:
		r.State.SQLite = filepath.Join(d.dir, name)
	}
}

func checkListen(s string) string {
	const want = "allowed is HOST:PORT, for example 127.0.0.1:9640"
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /@") {
		return want
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return want
	}
	return ""
}

// mappingFiles reads the patterns; they are followed when the file is read.
func (r *reading) mappingFiles(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		d.at(n, path, "is "+kindOf(n)+"; a list of file patterns is expected, for example [mappings/*.yaml]")
		return
	}
	for i, item := range n.Content {
		inner := path + "[" + strconv.Itoa(i) + "]"
		d.places[inner] = place{item.Line, item.Column}
		if pattern, ok := d.filled(item, inner); ok {
			r.globs = append(r.globs, glob{pattern, item})
		}
	}
}
