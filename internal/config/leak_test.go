package config_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/config"
	"github.com/cdcsync/cdcsync/internal/leak"
)

// careless are configurations with a secret written where and how people write
// it. URL is a connection string with the secret in it, and S the secret.
var careless = []string{
	"source: {url: «URL»}", "source: {url: «S»}", "source:\n  url: «URL»", "source:\n  url: >-\n    «URL»", "source:\n  url:\n    «URL»",
	"source: {url_file: «URL»}", "source: {url_file: «S»}", "source:\n  url_file: «S»", "source:\n  url: «URL»\n  password: «S»",
	"source: {slot: cdcsync, url: «URL», extra: 1}", "source: «URL»", "source: [«URL»]", "url: «URL»", "«URL»",
	"source:\n url: x\n  password: «S»", "source:\n\turl: «URL»", "source: {url: «URL»",
	"marketo: {rest: {endpoint: 'https://x.mktorest.com', client_id: c, client_secret: «S»}}",
	"marketo:\n  rest:\n    client_secret: «S»\n    endpoint: https://cdc:«S»@x.mktorest.com",
	"marketo: {soap: {endpoint: 'https://x/?key=«S»', user_id: «S», secret_key: «S»}}",
	"marketo: {soap: {endpoint: 'https://x:«S»/', secret_key_file: «S»}}", "marketo:\n  soap:\n    secret_key_file: «S»",
	"marketo: {soap: {secret_key: [«S»]}}", "marketo: {soap: {secret_key: {«S»}}}", "marketo: {rest: {client_secret_file: secrets/«S»}}",
	"marketo: {rest: {client_secret: «S», client_secret: «S»}}", "marketo:\n  rest:\n    client_secret:\n      «S»: x",
	"state: postgres://cdc:«S»@host/db", "state: mysql://cdc:«S»@host/db", "state: sqlite:cdc:«S»@host",
	"http: {listen: 'http://cdc:«S»@host:1'}", "http:\n  listen: cdc:«S»@host:1",
	"DATABASE_URL=«URL»\nMARKETO_SECRET=«S»\n", "user: cdc\npass: «S»\n", "machine x login cdc password «S»\n", "[shop]\nhost=h\npassword=«S»\n",
	"{\"auths\": {\"x\": {\"auth\": «S»}}}", "data:\n  key: «S»\n", "host:5432:db:cdc:«S»\n",
}

// quoted writes a value as somebody might.
func quoted(random *rand.Rand, s string) string {
	switch random.IntN(4) {
	case 0:
		return strconv.Quote(s)
	case 1:
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}

// However a configuration is wrong, no part of a secret is in what Load says.
func TestNoPartOfASecretIsShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cdcsync.yaml")
	for seed := range uint64(2_000) {
		random := rand.New(rand.NewPCG(seed, 3))
		secret := leak.Secret(random)
		text := careless[random.IntN(len(careless))]
		text = strings.ReplaceAll(text, "«URL»", quoted(random, leak.ConnectionString(random, secret)))
		if strings.Contains(text, "/«S»") || strings.Contains(text, ":«S»") {
			text = strings.ReplaceAll(text, "«S»", secret)
		}
		text = strings.ReplaceAll(text, "«S»", quoted(random, secret))
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, environment)
		_, listenErr := config.ReadHTTP(path, environment)
		shown := fmt.Sprintf("%v %v %+v", err, listenErr, c)
		var mistakes config.Mistakes
		if errors.As(err, &mistakes) {
			shown += fmt.Sprintf("%+v %#v", mistakes, mistakes)
		}
		if part := leak.Part(shown, secret); part != "" {
			t.Fatalf("seed %d: %q of %q is in: %s\nof:\n%s", seed, part, secret, shown, text)
		}
	}
}
