package mapping_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
)

// What changes the keys of writes, or whether there are any, changes the rules;
// nothing else does. The number is in state files.
func TestRules(t *testing.T) {
	base := func() mapping.Definition {
		return mapping.Definition{Name: "a", Schema: "s", Table: "t", Object: "Obj", Key: []mapping.Rule{{Attribute: "id", Column: "id"}}}
	}
	d := base()
	const stored = uint64(0x59c2035d1bbe38d1)
	if got := d.Rules("p"); got != stored {
		t.Errorf("Rules() = %#x, in state files it is %#x", got, stored)
	}
	same := map[string]func(*mapping.Definition){
		"name":        func(d *mapping.Definition) { d.Name = "b" },
		"attributes":  func(d *mapping.Definition) { d.Attributes = []mapping.Rule{{Attribute: "x", Column: "x"}} },
		"former":      func(d *mapping.Definition) { d.Key[0].Former = []string{"old"} },
		"object case": func(d *mapping.Definition) { d.Object = "obj" },
		"separate":    func(d *mapping.Definition) { d.Separate = true },
	}
	other := map[string]func(*mapping.Definition){
		"schema":    func(d *mapping.Definition) { d.Schema = "x" },
		"table":     func(d *mapping.Definition) { d.Table = "x" },
		"object":    func(d *mapping.Definition) { d.Object = "x" },
		"column":    func(d *mapping.Definition) { d.Key[0].Column = "x" },
		"expr":      func(d *mapping.Definition) { d.Key[0] = mapping.Rule{Attribute: "id", Expr: "id"} },
		"constant":  func(d *mapping.Definition) { d.Key[0].Constant = &marketo.Value{Kind: marketo.String, Text: "x"} },
		"key":       func(d *mapping.Definition) { d.Key = append(d.Key, mapping.Rule{Attribute: "y", Column: "y"}) },
		"where":     func(d *mapping.Definition) { d.Where = "id > 1" },
		"on_delete": func(d *mapping.Definition) { d.OnDelete.Delete = true },
	}
	for name, change := range same {
		if d := base(); true {
			change(&d)
			if d.Rules("p") != stored {
				t.Errorf("%s changes the rules", name)
			}
		}
	}
	for name, change := range other {
		if d := base(); true {
			change(&d)
			if d.Rules("p") == stored {
				t.Errorf("%s does not change the rules", name)
			}
		}
	}
	if d.Rules("q") == stored {
		t.Error("the publication does not change the rules")
	}
}
