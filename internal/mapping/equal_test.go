package mapping

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/catalog"
)

// TestSameKey: what PostgreSQL takes for equal is the same key, and nothing
// else is.
func TestSameKey(t *testing.T) {
	const citext, domain = 16400, 16401
	facts := &catalog.Facts{Types: map[uint32]catalog.TypeFacts{
		citext: {OID: citext, Schema: "public", Name: "citext", Kind: catalog.BaseType, Citext: true},
		domain: {OID: domain, Schema: "public", Name: "email", Kind: catalog.DomainType, Base: citext},
	}}
	tests := []struct {
		name, locale string
		oid          uint32
		a, b         string
		want         bool
	}{
		{"text", "", 25, "Bob", "bob", false},
		{"text with blanks", "", 25, "bob", "bob ", false},
		{"text, the same", "", 25, "bob", "bob", true},
		{"numeric", "", 1700, "1.0", "1.00", true},
		{"numeric, whole", "", 1700, "1", "1.00", true},
		{"numeric, other", "", 1700, "10", "1", false},
		{"char", "", 1042, "bob", "bob  ", true},
		{"char, other", "", 1042, "bob", "Bob", false},
		{"citext", "", citext, "Bob@Example.com", "bob@example.COM", true},
		{"citext, umlaut", "", citext, "Ölmühle", "ÖLMÜHLE", true},
		{"citext, blanks", "", citext, "bob", "bob ", false},
		{"citext, ß", "", citext, "straße", "STRASSE", false},
		{"domain over citext", "", domain, "Bob", "bob", true},
		{"secondary", "und-u-ks-level2", 25, "Bob", "bob", true},
		{"secondary, accent", "und-u-ks-level2", 25, "resume", "résumé", false},
		{"primary", "und-u-ks-level1", 25, "Resume", "résumé", true},
		{"primary, other", "und-u-ks-level1", 25, "resume", "resumes", false},
		{"tertiary", "und", 25, "Bob", "bob", false},
		{"tertiary, composed", "und", 25, "e\u0301", "\u00e9", true},
		{"varchar", "de-u-ks-level2", 1043, "Öl", "öl", true},
		{"no locale", "@@", 25, "Bob", "bob", false},
		{"timestamp", "", 1184, "2024-02-29 12:00:00+00", "2024-02-29 12:00:00+00", true},
		{"timestamp, other", "", 1184, "2024-02-29 12:00:00+00", "2024-02-29 12:00:01+00", false},
		{"broken", "", 20, "x", "y", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _, ok := formatOf(tt.oid, facts)
			if !ok {
				t.Fatal("not known")
			}
			f.inKey = true
			if tt.locale != "" {
				f.loosely = equalIn(tt.locale)
			}
			if got := f.same([]byte(tt.a), []byte(tt.b)); got != tt.want {
				t.Errorf("same(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
			}
			if got := f.same([]byte(tt.b), []byte(tt.a)); got != tt.want {
				t.Errorf("same(%q, %q) = %v, want %v", tt.b, tt.a, got, tt.want)
			}
		})
	}
}
