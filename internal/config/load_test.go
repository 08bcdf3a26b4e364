package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// environment answers for the variables that the test files use.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"DATABASE_URL":          "postgres://cdcsync@localhost/shop",
		"MARKETO_ENDPOINT":      "http://127.0.0.1:9641",
		"MARKETO_USER_ID":       "user",
		"MARKETO_SECRET_KEY":    "hush-key",
		"MARKETO_CLIENT_ID":     "client",
		"MARKETO_CLIENT_SECRET": "hush-client",
		"CALLS":                 "20",
		"EMPTY":                 "",
		"STRUCTURE":             "x\nslot: injected",
	}[name]
	return value, ok
}

// Every file of testdata has one mistake, and the text that Load must give
// beside it in a file of the same name that ends in .txt.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Load(file, environment)
			if err == nil {
				t.Fatal("got no error")
			}
			if got := err.Error(); got != strings.TrimSuffix(string(want), "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// load writes a configuration beside the files named and loads it.
func load(t *testing.T, text string, files ...string) (*config.Config, error) {
	t.Helper()
	directory := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(directory, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(directory, "cdcsync.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environment)
}

const smallest = `
source: {url: "${DATABASE_URL}"}
marketo: {soap: {endpoint: "https://123-ABC-456.mktoapi.com/soap/mktows/2_3", user_id: "${MARKETO_USER_ID}", secret_key: "${MARKETO_SECRET_KEY}"}}
mappings: [{table: visits, object: RoadShow, key: {rid: id}}]
`

func TestLoadDefaults(t *testing.T) {
	c, err := load(t, smallest)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	for _, pair := range [][2]any{
		{c.Source.Slot, want.Source.Slot}, {c.Source.Publication, want.Source.Publication},
		{c.Marketo.Timeout, want.Marketo.Timeout}, {c.Marketo.Limits, want.Marketo.Limits},
		{c.Delivery, want.Delivery}, {c.HTTP, want.HTTP}, {c.Log, want.Log},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
	if c.Marketo.REST != nil || c.Marketo.SOAP == nil {
		t.Errorf("got soap %v, rest %v", c.Marketo.SOAP, c.Marketo.REST)
	}
	if got := c.Marketo.SOAP.Endpoint; got != "https://123-ABC-456.mktoapi.com/soap/mktows/2_3" {
		t.Errorf("got endpoint %s", got)
	}
	if key, err := c.Marketo.SOAP.SecretKey.Reveal(); key != "hush-key" || err != nil {
		t.Errorf("got key %q, %v", key, err)
	}
	if !filepath.IsAbs(c.State.SQLite) || filepath.Base(c.State.SQLite) != "cdcsync.db" {
		t.Errorf("got state %s", c.State.SQLite)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("got warnings %v", c.Warnings)
	}
	if d := c.Mappings[0]; d.Name != "visits" || d.Schema != "public" || d.Separate || c.Set.Len() != 1 {
		t.Errorf("got mapping %+v", d)
	}
}

func TestLoadEverything(t *testing.T) {
	c, err := load(t, "\uFEFF"+strings.ReplaceAll(`
source: {url_file: secrets/url, slot: s_1, publication: My Pub}
marketo:
  rest: {endpoint: "http://[::1]:8080/rest/", client_id: ci$$d, client_secret_file: secrets/client}
  timeout: 90s
  limits: {calls_per_20s: 0, concurrent_calls: ${CALLS}0, calls_per_day: 0}
delivery: {max_wait: 0s, max_pending: 7, max_pending_bytes: 3MB, on_reject: halt, max_parked: 0, max_deletes: 0, backfill_share: 0.25, live_reserve: 0, max_retained_wal: 64MiB, unknown_hold: 90s, shutdown_timeout: 1m}
state: sqlite:/var/lib/cdcsync/state.db
http: {listen: "localhost:0"}
log: {level: debug, format: json}
mapping_files: [more/*.yaml, more/a.yaml]
mappings:
- name: one
  table: '"Odd Name"."T""x"'
  object: One
  operation: INSERT
  key: {k: id}
  attributes:
    a: city
    b: {column: zip, "null": omit}
    c: {expr: 'city + "${MARKETO_USER_ID}"'}
    d: {value: "${MARKETO_USER_ID}"}
    e: {value: 5.50}
    f: {value: true}
    g: {value: null}
    h: {value: "5", "null": clear}
    i: {lookup: {table: '"Odd Name".users', column: email, match: {id: uid, "Region": r}}, expr: lower(email), "null": omit}
  where: city != "$$x"
  on_delete: {set: {a: null, gone: yes}}
  on_truncate: ignore
  characters: replace
  coalesce: false
`, "${CALLS}0", "9"), "secrets/url", "host=/run/db dbname=shop\n", "secrets/client", "hush\r\n",
		"more/b.yaml", "mappings: [{table: s.b, object: B, key: {k: {column: [id, old]}}, on_delete: delete, coalesce: true}]",
		"more/a.yaml", "mappings:\n- {table: s.a, object: A, key: {k: id}, on_delete: ignore, on_truncate: halt, characters: strip, beyond_bmp: replace, operation: UPDATE}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Source.URL.Reveal(); got != "host=/run/db dbname=shop" {
		t.Errorf("got url %q", got)
	}
	if got, _ := c.Marketo.REST.ClientSecret.Reveal(); got != "hush" {
		t.Errorf("got client secret %q", got)
	}
	if got, _ := c.Marketo.REST.ClientID.Reveal(); got != "ci$d" {
		t.Errorf("got client id %q", got)
	}
	if got, want := c.Marketo.REST.Endpoint, "http://[::1]:8080"; got != want {
		t.Errorf("got endpoint %s, want %s", got, want)
	}
	if got, want := c.Marketo.Limits, (config.Limits{ConcurrentCalls: 9}); got != want {
		t.Errorf("got limits %v, want %v", got, want)
	}
	delivery := config.Delivery{MaxPending: 7, MaxPendingBytes: 3_000_000, OnReject: config.Halt, BackfillShare: 0.25, MaxRetainedWAL: 64 << 20, UnknownHold: 90 * time.Second, ShutdownTimeout: time.Minute}
	if c.Delivery != delivery || c.Marketo.Timeout != 90*time.Second {
		t.Errorf("got %+v, want %+v", c.Delivery, delivery)
	}
	if c.State.SQLite != "/var/lib/cdcsync/state.db" || c.HTTP.Listen != "localhost:0" || c.Log != (config.Log{Level: slog.LevelDebug, Format: "json"}) {
		t.Errorf("got %v %v %v", c.State, c.HTTP, c.Log)
	}
	if c.Source.Slot != "s_1" || c.Source.Publication != "My Pub" {
		t.Errorf("got %v", c.Source)
	}
	want := everything()
	for i := range want {
		if !reflect.DeepEqual(c.Mappings[i], want[i]) {
			t.Errorf("mapping %d:\ngot  %+v\nwant %+v", i, c.Mappings[i], want[i])
		}
	}
	if c.Set.Len() != 3 || len(c.Mappings) != 3 {
		t.Errorf("got %d mappings", c.Set.Len())
	}
}

// everything is what TestLoadEverything must read.
func everything() []mapping.Definition {
	value := func(kind marketo.Kind, text string) *marketo.Value { return &marketo.Value{Kind: kind, Text: text} }
	return []mapping.Definition{
		{Name: "one", Schema: "Odd Name", Table: `T"x`, Object: "One", Operation: marketo.Insert, Key: []mapping.Rule{{Attribute: "k", Column: "id"}},
			Attributes: []mapping.Rule{
				{Attribute: "a", Column: "city"}, {Attribute: "b", Column: "zip", OmitNull: true}, {Attribute: "c", Expr: `city + "user"`},
				{Attribute: "d", Constant: value(marketo.String, "user")}, {Attribute: "e", Constant: value(marketo.Number, "5.50")},
				{Attribute: "f", Constant: value(marketo.Boolean, "true")}, {Attribute: "g", Constant: value(marketo.Null, "")},
				{Attribute: "h", Constant: value(marketo.String, "5")},
				{Attribute: "i", Expr: "lower(email)", OmitNull: true, Lookup: &mapping.Lookup{Schema: "Odd Name", Table: "users", Column: "email",
					Match: []mapping.Match{{Theirs: "id", Ours: "uid"}, {Theirs: "Region", Ours: "r"}}}}},
			Where: `city != "$x"`, OnDelete: mapping.DeletePolicy{Set: []mapping.Rule{
				{Attribute: "a", Constant: value(marketo.Null, "")}, {Attribute: "gone", Constant: value(marketo.String, "yes")}}},
			OnTruncate: mapping.TruncateIgnore, Characters: mapping.CharactersReplace, Separate: true},
		{Name: "a", Schema: "s", Table: "a", Object: "A", Operation: marketo.Update, Key: []mapping.Rule{{Attribute: "k", Column: "id"}},
			OnTruncate: mapping.TruncateHalt, Characters: mapping.CharactersStrip, BeyondBMP: mapping.BeyondReplace},
		{Name: "b", Schema: "s", Table: "b", Object: "B", Key: []mapping.Rule{{Attribute: "k", Column: "id", Former: []string{"old"}}}, OnDelete: mapping.DeletePolicy{Delete: true}},
	}
}

// A value from the environment stays a value.
func TestLoadNoInjection(t *testing.T) {
	_, err := load(t, strings.Replace(smallest, "{rid: id}", `{rid: "${STRUCTURE}"}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, strings.Replace(smallest, "table: visits", `table: '"${STRUCTURE}"', name: n`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if c.Source.Slot != "cdcsync" || c.Mappings[0].Table != "x\nslot: injected" {
		t.Errorf("got slot %s, table %q", c.Source.Slot, c.Mappings[0].Table)
	}
}

// Mistakes of several files come in one run, in the order of the files.
func TestLoadMistakesOfSeveralFiles(t *testing.T) {
	_, err := load(t, smallest+"mapping_files: [a.yaml, b.yaml]\nlgo: {}\n",
		"a.yaml", "mappings:\n- {table: other, object: roadshow, key: {k: id}}\n", "b.yaml", "mapings: []\n")
	mistakes, ok := err.(config.Mistakes)
	if !ok || len(mistakes) != 4 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{
		`cdcsync.yaml:6:1: lgo: is not a key here; did you mean "log"?; allowed are source, marketo, delivery, state, http, log, mapping_files, mappings`,
		`a.yaml:2:26: mappings[0].object: is already written by mapping "visits"; one custom object type belongs to one mapping, or the two would overwrite each other`,
		`b.yaml:1:1: mapings: is not a key here; did you mean "mappings"?; allowed are mappings`,
		`b.yaml:1:1: mappings: is missing; this file is for a list of mappings`,
	} {
		if got := filepath.Base(mistakes[i].File) + strings.TrimPrefix(mistakes[i].Error(), mistakes[i].File); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestLocate(t *testing.T) {
	c, err := load(t, smallest)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Locate(mapping.Mistake{Path: "key.rid", Text: "is wrong"})
	if got.Line != 4 || got.Column != 57 || got.Path != "mappings[0].key.rid" || got.Text != "is wrong" {
		t.Errorf("got %v", got)
	}
	if got := c.Locate(mapping.Mistake{Path: "on_truncate"}); got.Line != 4 || got.Column != 12 {
		t.Errorf("a key that is not given: got %v, want the mapping's place", got)
	}
	if got := c.Locate(mapping.Mistake{Mapping: 9, Path: "key"}); got.Path != "key" {
		t.Errorf("got %v", got)
	}
}
