package daemon

import (
	"os"
	"strings"

	"github.com/cdcsync/cdcsync/internal/conninfo"
	"github.com/cdcsync/cdcsync/internal/probe"
)

// announce logs which build starts, and between whom it stands.
func (d *Daemon) announce() {
	c := d.Config
	api, endpoint := "rest", ""
	switch {
	case c.Marketo.SOAP != nil:
		api, endpoint = "soap", c.Marketo.SOAP.Endpoint
	case c.Marketo.REST != nil:
		endpoint = c.Marketo.REST.Endpoint
	}
	d.Log.Info("starting", "version", d.Version.String(), "config", c.File, "mappings", c.Set.Len(), "database", d.database(),
		"slot", c.Source.Slot, "marketo", endpoint, "api", api, "state", c.State.SQLite, "http", c.HTTP.Listen)
	if r, ok, err := probe.Load(probe.Path(c.State.SQLite)); ok && err == nil && r.Endpoint == endpoint {
		attributes := []any{"type", r.Type, "at", r.At}
		for _, a := range r.Answers {
			attributes = append(attributes, a.Question, a.Answer)
		}
		d.Log.Info("marketo was probed", attributes...)
	}
}

// database is where the connection string leads, HOST:PORT,…/DATABASE, without
// anything else of it; "" where it cannot be read.
func (d *Daemon) database() string {
	url := ""
	if d.Config.Source.URL.IsSet() {
		var err error
		if url, err = d.Config.Source.URL.Reveal(); err != nil {
			return ""
		}
	}
	info, err := conninfo.Resolve(url, os.LookupEnv)
	if err != nil {
		return ""
	}
	var hosts []string
	for _, h := range info.Hosts() {
		host := h.Name
		if host == "" {
			host = h.Address
		}
		if h.Port != "" {
			host += ":" + h.Port
		}
		hosts = append(hosts, host)
	}
	return strings.Join(hosts, ",") + "/" + info.Get("dbname")
}
