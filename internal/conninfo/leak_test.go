package conninfo

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cdcsync/cdcsync/internal/leak"
)

// Whatever is wrong with a connection string, no part of a secret in it is in
// the error, nor in what errors of a connection show: user, database, hosts.
func TestNoPartOfASecretIsShown(t *testing.T) {
	for seed := range uint64(200_000) {
		random := rand.New(rand.NewPCG(seed, 1))
		secret := leak.Secret(random)
		text := leak.ConnectionString(random, secret)
		checkShown(t, text, secret)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkShown(t *testing.T, text, secret string) {
	t.Helper()
	info, err := Resolve(text, none)
	shown := fmt.Sprintf("%v %+v %#v", err, info, info)
	if err == nil {
		shown += fmt.Sprint(info.Get("user"), " ", info.Get("dbname"), " ", info.Hosts(), info.Ignored())
	}
	if part := leak.Part(shown, secret); part != "" {
		t.Errorf("%q: %q is in: %s", text, part, shown)
	}
}

// FuzzParse: no string makes it panic, and what it takes it reads again alike.
func FuzzParse(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		f.Add(leak.ConnectionString(random, leak.Secret(random)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		info, err := Parse(text)
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		if err == nil && len(info.Hosts()) == 0 {
			t.Error("no host")
		}
	})
}
