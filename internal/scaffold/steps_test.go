package scaffold

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/preflight"
)

// Each finding says what it is about, and each statement stands once, whatever stands
// in the names.
func TestSteps(t *testing.T) {
	owner := func(sql string) preflight.Remedy {
		return preflight.Remedy{Words: "as the owner, run:", SQL: sql}
	}
	file := File{Steps: []preflight.Finding{
		{Check: "wal_level", Detail: "it is replica", Remedy: preflight.Remedy{Words: "restart the server"}},
		{Check: "table s.a: rights", Detail: "not read", Remedy: owner(`GRANT USAGE ON SCHEMA "s"; GRANT SELECT ON "s"."a;b";`)},
		{Check: "publication", Detail: "not there", Remedy: preflight.Remedy{Words: "as a superuser, run:", SQL: "CREATE PUBLICATION p;"}},
		{Check: "lookup of o.email", Detail: "not read either", Remedy: owner(`GRANT USAGE ON SCHEMA "s"; GRANT SELECT ON "s"."a;b";`)},
		{Check: "table s.c: rights", Detail: "not read", Remedy: owner(`GRANT USAGE ON SCHEMA "s"; GRANT SELECT ON "s"."c";`)},
	}}
	want := `before the first start:
- wal_level: it is replica
  restart the server
- table s.a: rights: not read
- lookup of o.email: not read either
- table s.c: rights: not read
  as the owner, run:
    GRANT USAGE ON SCHEMA "s";
    GRANT SELECT ON "s"."a;b";
    GRANT SELECT ON "s"."c";
- publication: not there
  as a superuser, run:
    CREATE PUBLICATION p;
`
	if got := file.Summary(""); !strings.Contains(got, want) {
		t.Errorf("the summary is\n%s\nwant in it\n%s", got, want)
	}
	if got := file.Text(); !slices.Contains(strings.Split(got, "\n"), "# - lookup of o.email: not read either") || strings.Count(got, "GRANT USAGE") != 1 {
		t.Errorf("the file is\n%s", got)
	}
}
