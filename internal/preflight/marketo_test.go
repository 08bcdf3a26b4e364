package preflight_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// instance serves a simulator with one object type, Order.
func instance(t *testing.T) (sim *simulator.Simulator, url string) {
	t.Helper()
	sim = simulator.New(simulator.Options{Types: []simulator.Type{{
		Name: "Order", Dedupe: []string{"oid"},
		Fields: []simulator.Field{
			{Name: "oid", Type: simulator.Integer},
			{Name: "city", Type: simulator.String, Length: 20},
			{Name: "state", Type: simulator.String},
			{Name: "active", Type: simulator.Boolean},
			{Name: "amount", Type: simulator.Currency},
			{Name: "placed", Type: simulator.DateTime},
			{Name: "day", Type: simulator.Date},
			{Name: "visits", Type: simulator.Integer},
		},
	}}})
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return sim, server.URL
}

func restClient(t *testing.T, url, secret string) marketo.Client {
	t.Helper()
	client, err := rest.New(rest.Config{
		Endpoint: url, User: simulator.DefaultClientID, Secret: func() (string, error) { return secret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func soapClient(t *testing.T, url, secret string) marketo.Client {
	t.Helper()
	client, err := soap.New(soap.Config{
		Endpoint: url + "/soap/mktows/2_3", User: simulator.DefaultUserID, Secret: func() (string, error) { return secret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func constant(kind marketo.Kind, text string) *marketo.Value {
	return &marketo.Value{Kind: kind, Text: text}
}

// ordersTable is the described table of the mapping orders.
func ordersTable() catalog.Table {
	return catalog.Table{Schema: "public", Name: "orders", Exists: true, Columns: []catalog.TableColumn{
		{Name: "id", BaseName: "int4", Formatted: "integer", Modifier: -1},
		{Name: "city", BaseName: "varchar", Formatted: "character varying(30)", Modifier: 34},
		{Name: "state", BaseName: "text", Formatted: "text", Modifier: -1},
		{Name: "amount", BaseName: "numeric", Formatted: "numeric", Modifier: -1},
		{Name: "placed", BaseName: "date", Formatted: "date", Modifier: -1},
		{Name: "visits", BaseName: "numeric", Formatted: "numeric(10,0)", Modifier: 10<<16 + 4},
	}}
}

// usersTable is the one that values are looked up in.
func usersTable() catalog.Table {
	return catalog.Table{Schema: "crm", Name: "users", Exists: true, Columns: []catalog.TableColumn{
		{Name: "id", BaseName: "int8", Formatted: "bigint", Modifier: -1},
		{Name: "email", BaseName: "varchar", Formatted: "character varying(300)", Modifier: 304},
	}}
}

func TestMarketoObjects(t *testing.T) {
	tests := []struct {
		name string
		edit func(d *mapping.Definition)
	}{
		{"marketo_fine", func(d *mapping.Definition) {
			d.Attributes = append(d.Attributes, mapping.Rule{Attribute: "active", Constant: constant(marketo.Boolean, "true")},
				mapping.Rule{Attribute: "state", Expr: "upper(state)"}, mapping.Rule{Attribute: "visits", Column: "visits"})
		}},
		{"marketo_no_object", func(d *mapping.Definition) { d.Object = "Ordre" }},
		{"marketo_fields", func(d *mapping.Definition) {
			column("ctiy", "city")(d)
			column("State", "state")(d)
		}},
		{"marketo_key", func(d *mapping.Definition) { d.Key[0].Attribute = "visits" }},
		{"marketo_dedupe_attribute", func(d *mapping.Definition) {
			d.Key[0].Attribute = "visits"
			column("oid", "id")(d)
		}},
		{"marketo_types", func(d *mapping.Definition) {
			column("state", "state")(d)
			column("amount", "amount")(d)
			column("placed", "placed")(d)
			column("day", "state")(d)
		}},
		{"marketo_lookups", func(d *mapping.Definition) {
			takes("state", "email", byID)(d)
			takes("day", "id", byID)(d)
			takes("visits", "email", byID)(d)
			d.Attributes[len(d.Attributes)-1].Expr = "len(email)"
		}},
		{"marketo_constants", func(d *mapping.Definition) {
			d.Attributes = append(d.Attributes, mapping.Rule{Attribute: "visits", Constant: constant(marketo.Number, "1.5")})
			d.OnDelete.Set = []mapping.Rule{
				{Attribute: "Active", Constant: constant(marketo.String, "gone")},
				{Attribute: "state", Constant: constant(marketo.String, strings.Repeat("x", 256))},
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, url := instance(t)
			set, err := mapping.Compile([]mapping.Definition{orders(tt.edit)})
			if err != nil {
				t.Fatal(err)
			}
			findings := preflight.Marketo(t.Context(), restClient(t, url, simulator.DefaultClientSecret), set, ordersTable(), usersTable())
			golden(t, tt.name, text(findings))
		})
	}
}

// Without tables, and over SOAP, less can be seen; nothing is invented.
func TestMarketoUnknown(t *testing.T) {
	_, url := instance(t)
	set, err := mapping.Compile([]mapping.Definition{orders(nil)})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, got, want string }{
		{"no tables", text(preflight.Marketo(t.Context(), restClient(t, url, simulator.DefaultClientSecret), set)),
			"ok login: Marketo accepts the credentials\nok object Order: it has the key and all attributes of mapping orders\n"},
		{"soap", text(preflight.Marketo(t.Context(), soapClient(t, url, simulator.DefaultSecretKey), set)),
			"ok login: Marketo accepts the credentials\nskipped objects: the SOAP API does not describe custom objects: their names, dedupe fields and attributes show with the first call\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", tt.name, tt.got, tt.want)
		}
	}
}

func TestMarketoLogin(t *testing.T) {
	sim, url := instance(t)
	set, err := mapping.Compile([]mapping.Definition{orders(nil)})
	if err != nil {
		t.Fatal(err)
	}
	const secret = "not-the-right-one"
	tests := []struct {
		name   string
		client marketo.Client
		level  preflight.Level
		detail string
	}{
		{"rest, wrong secret", restClient(t, url, secret), preflight.Fail, "the identity service refuses the client id or the client secret"},
		{"soap, wrong secret", soapClient(t, url, secret), preflight.Fail, "authentication failed; check the user id and the secret key"},
		{"rest, nobody there", restClient(t, "http://127.0.0.1:1", secret), preflight.Unseen, "connection refused"},
		{"soap, nobody there", soapClient(t, "http://127.0.0.1:1", secret), preflight.Unseen, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			findings := preflight.Marketo(t.Context(), tt.client, set)
			if len(findings) != 1 || findings[0].Check != "login" || findings[0].Level != tt.level ||
				!strings.Contains(findings[0].Detail, tt.detail) || findings[0].Remedy == (preflight.Remedy{}) {
				t.Errorf("got:\n%s\nwant one finding of level %s on login with %q and a remedy", text(findings), tt.level, tt.detail)
			}
			if strings.Contains(text(findings), secret) {
				t.Errorf("the secret is in:\n%s", text(findings))
			}
		})
	}
	for _, call := range sim.Calls() {
		if call.Objects != 0 {
			t.Errorf("a call with %d objects was made", call.Objects)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	findings := preflight.Marketo(ended, restClient(t, url, simulator.DefaultClientSecret), set)
	if len(findings) != 1 || findings[0].Level != preflight.Unseen {
		t.Errorf("after the end of the context:\n%s\nwant login unseen", text(findings))
	}
}

// An endpoint may have the calls for custom objects and no other: that is no
// failed login.
func TestLoginWithoutTheCallThatProvesIt(t *testing.T) {
	sim, url := instance(t)
	for code, want := range map[string]preflight.Level{"20019": preflight.OK, "20014": preflight.Fail, "20011": preflight.Unseen} {
		if err := sim.Fail(simulator.Rule{API: "soap", Operation: "list", Code: code, Times: 1}); err != nil {
			t.Fatal(err)
		}
		findings := preflight.Marketo(t.Context(), soapClient(t, url, simulator.DefaultSecretKey), &mapping.Set{})
		if got := findings[0]; got.Level != want || want == preflight.OK && !strings.HasPrefix(got.Detail, "the login was accepted") {
			t.Errorf("%s: got %v, want %v", code, got, want)
		}
	}
}

// The simulator learns fields with their first values: that it has none yet is
// nothing to fix.
func TestLearntType(t *testing.T) {
	sim := simulator.New(simulator.Options{Dedupe: map[string][]string{"Order": {"oid"}}})
	server := httptest.NewServer(sim)
	defer server.Close()
	defer sim.Close()
	set, err := mapping.Compile([]mapping.Definition{{
		Name: "orders", Schema: "public", Table: "orders", Object: "Order",
		Key:        []mapping.Rule{{Attribute: "oid", Column: "id"}},
		Attributes: []mapping.Rule{{Attribute: "city", Column: "city"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	findings := preflight.Marketo(t.Context(), restClient(t, server.URL, simulator.DefaultClientSecret), set)
	last := findings[len(findings)-1]
	if last.Level != preflight.OK || !strings.Contains(last.Detail, "learns") || len(findings) != 2 {
		t.Errorf("got %v", findings)
	}
}
