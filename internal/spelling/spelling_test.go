package spelling_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

func TestNearest(t *testing.T) {
	names := []string{"endpoint", "user_id", "secret_key", "url", "key"}
	tests := []struct{ word, want string }{
		{"endpiont", "endpoint"},
		{"ENDPOINT", "endpoint"},
		{"userid", "user_id"},
		{"secretkey", "secret_key"},
		{"ulr", "url"},
		{"keys", "key"},
		{"zzz", ""},
		{"", ""},
		{"something_else", ""},
	}
	for _, tt := range tests {
		if got := spelling.Nearest(tt.word, names); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestHint(t *testing.T) {
	if got, want := spelling.Hint("cty", []string{"city"}), `; did you mean "city"?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := spelling.Hint("zip", []string{"city"}); got != "" {
		t.Errorf("got %q, want none", got)
	}
}
