package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/version"
)

// The first line of a log says what runs, and where everything is; no secret.
func TestAnnounce(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE"} {
		t.Setenv(name, "")
	}
	file := filepath.Join(t.TempDir(), "cdcsync.yaml")
	text := `source: {url: "postgres://cdc:hush@db1:5433,db2/shop?sslmode=verify-full&sslpassword=hush", slot: shop}
marketo: {rest: {endpoint: "https://123-ABC-456.mktorest.com/rest", client_id: hush, client_secret: hush}}
http: {listen: "127.0.0.1:9999"}
mappings: [{table: visits, object: Visit, key: {id: id}}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := &Daemon{Config: conf, Log: slog.New(slog.NewTextHandler(&log, nil)), Version: version.Info{Version: "v1.2.3", Go: "go1"}}
	d.announce()
	for _, want := range []string{"msg=starting", `version="v1.2.3 go1"`, "config=" + file, "mappings=1", "database=db1:5433,db2/shop", "slot=shop",
		"marketo=https://123-ABC-456.mktorest.com ", "api=rest", "cdcsync.db", "http=127.0.0.1:9999"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "hush") {
		t.Errorf("a secret: %s", log.String())
	}
}
