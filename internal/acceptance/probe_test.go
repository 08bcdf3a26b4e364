package acceptance_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestProbeCommand asks a type that was made for it, and no other, and shows what
// it has found out.
func TestProbeCommand(t *testing.T) {
	needServer(t)
	t.Parallel()
	field := func(name string, kind simulator.FieldType) simulator.Field {
		return simulator.Field{Name: name, Type: kind}
	}
	w := newWorld(t, server, "rest", simulator.Options{Types: []simulator.Type{
		{Name: "Item", Dedupe: []string{"id"}, Fields: []simulator.Field{field("id", simulator.Integer), field("note", simulator.String)}},
		{Name: "Sandbox_c", Dedupe: []string{"pid"}, Keys: simulator.FoldKeys, Fields: []simulator.Field{field("pid", simulator.String), field("note", simulator.String)}},
	}})
	w.exec(`CREATE TABLE items (id int PRIMARY KEY, note text)`)
	w.config.mappings = "\n  - {name: items, table: public.items, object: Item, key: {id: id}, attributes: {note: note}}\n"
	w.configure()
	for _, args := range [][]string{{"--probe", "item", "--yes"}, {"--probe", "", "--yes"}, {"--probe", "Sandbox_c", "--offline"}} {
		if output, code := w.command(append([]string{"check"}, args...)...); code != 2 {
			t.Errorf("%q: exit code %d: %s", args, code, output)
		}
	}
	if output, code := w.command("check", "--probe", "Sandbox_c"); code == 0 || !strings.Contains(output, "--yes") || len(w.sim.Calls()) > 0 {
		t.Errorf("nobody was asked: exit code %d: %s", code, output)
	}
	output, code := w.command("check", "--probe", "Sandbox_c", "--yes")
	if code != 0 || !strings.Contains(output, "keys that differ in case are one object") || w.sim.Count("Sandbox_c") != 0 {
		t.Fatalf("exit code %d, %d objects left: %s", code, w.sim.Count("Sandbox_c"), output)
	}
	if output, _ := w.command("check"); !strings.Contains(output, "probe: trailing blanks") || !strings.Contains(output, "Sandbox_c") {
		t.Errorf("check does not show it: %s", output)
	}
	p := w.start()
	p.awaitLog(t, "marketo was probed")
	p.awaitLog(t, "trailing_blanks=one")
	p.stop(t)
}
