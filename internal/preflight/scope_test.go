package preflight_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// Every finding says what it bears upon, and which table it is about: nobody has
// to read its words for that.
func TestScopes(t *testing.T) {
	const table = "public.orders"
	key := func(d *mapping.Definition) { d.Key[0].Column = "city" }
	for _, tt := range []struct {
		name, ddl, role string
		edit            func(*mapping.Definition)
		level           preflight.Level
		scope           preflight.Scope
		table           string
	}{
		{"scope_rights", ordersDDL + `; CREATE PUBLICATION scope_rights FOR TABLE orders; CREATE ROLE scope_rights_app LOGIN REPLICATION`, "scope_rights_app", nil, preflight.Fail, preflight.ScopeRows, table},
		{"scope_member", ordersDDL + `; CREATE PUBLICATION scope_member`, "", nil, preflight.Fail, preflight.ScopeStream, table},
		{"scope_operations", ordersDDL + `; CREATE PUBLICATION scope_operations FOR TABLE orders WITH (publish = 'update')`, "", nil, preflight.Fail, preflight.ScopeStream, ""},
		{"scope_table", `CREATE UNLOGGED TABLE orders (id int PRIMARY KEY, city text)`, "", nil, preflight.Fail, preflight.ScopeTable, table},
		{"scope_identity", ordersDDL + `; ALTER TABLE orders REPLICA IDENTITY NOTHING; CREATE PUBLICATION scope_identity FOR TABLE orders`, "", nil, preflight.Fail, preflight.ScopeTable, table},
		{"scope_keys", ordersDDL + `; ALTER TABLE orders REPLICA IDENTITY FULL; CREATE PUBLICATION scope_keys FOR TABLE orders`, "", key, preflight.Warn, preflight.ScopeKeys, table},
		{"scope_start", ordersDDL + `; CREATE PUBLICATION scope_start FOR TABLE orders; SELECT pg_create_logical_replication_slot('scope_start', 'test_decoding')`, "", nil, preflight.Fail, preflight.ScopeStart, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, sharedCluster(t), tt.name, orders(tt.edit))
			w.run(tt.ddl)
			if tt.role != "" {
				w.as(tt.role)
			}
			n := 0
			for _, f := range w.look() {
				if f.Level != tt.level {
					continue
				}
				n++
				if f.Scope != tt.scope || f.Table != tt.table {
					t.Errorf("%s: scope %s of table %q, want %s of %q", f, f.Scope, f.Table, tt.scope, tt.table)
				}
			}
			if n == 0 {
				t.Errorf("nothing of level %s was found", tt.level)
			}
		})
	}
}
