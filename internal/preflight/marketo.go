package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/mapping"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/spelling"
)

// Describer is a client that can say what the fields of an object type are. SOAP's
// cannot.
type Describer interface {
	Describe(ctx context.Context, objectType string) (marketo.Description, error)
}

// Marketo proves the credentials, and with a Describer holds the mappings against
// Marketo's description of their object types: the dedupe fields are the key,
// every attribute is there and may be written, constants fit. With tables, as
// Describe returns them, the types and lengths of their columns are held
// against the fields too. It takes one counted call, and with a Describer one
// more for each mapping.
func Marketo(ctx context.Context, client marketo.Client, set *mapping.Set, tables ...catalog.Table) []Finding {
	var r report
	switch err := client.Login(ctx); {
	case err == nil:
		r.ok("login", "Marketo accepts the credentials")
	case lacksCall(err):
		r.ok("login", "the login was accepted; the endpoint does not have the call that this check makes (listMObjects), so it may have those for custom objects alone")
	default:
		r.refused("login", err, "correct the endpoint and the credentials")
		return r.findings
	}
	describer, ok := client.(Describer)
	if !ok {
		r.add(Skipped, "objects", "the SOAP API does not describe custom objects: their names, dedupe fields and attributes show with the first call", Remedy{})
		return r.findings
	}
	for i := range set.Len() {
		description, err := describer.Describe(ctx, set.Definition(i).Object)
		if err != nil {
			r.refused("object "+set.Definition(i).Object, err, "correct the API name of the object in mapping "+set.Definition(i).Name+", or the rights of the API user")
			continue
		}
		r.findings = append(r.findings, Object(set, i, description, tables...)...)
	}
	return r.findings
}

// Object holds mapping i against Marketo's description of its object type, and the
// columns of the tables that are known against its fields.
func Object(set *mapping.Set, i int, description marketo.Description, tables ...catalog.Table) []Finding {
	var r report
	c := comparison{report: &r, definition: set.Definition(i), shape: set.Shape(i), description: description, tables: tables}
	c.compare()
	return r.findings
}

// lacksCall reports whether a call was refused because the endpoint does not
// have it. The credentials are looked at before that.
func lacksCall(err error) bool {
	var fault *marketo.Fault
	return errors.As(err, &fault) && fault.Code == "20019"
}

// refused reports an error of a call: as a failure when Marketo said no, as
// unseen when trying again may help.
func (r *report) refused(check string, err error, remedy string) {
	var fault *marketo.Fault
	if errors.As(err, &fault) {
		switch fault.Class {
		case marketo.FaultCredentials, marketo.FaultRefused, marketo.FaultExpired:
			r.fail(check, err.Error(), remedy)
			return
		}
	}
	r.add(Unseen, check, err.Error(), Remedy{Words: "try again; if it stays, check the endpoint, the network and Marketo's status page"})
}

// comparison holds one mapping against one described object type.
type comparison struct {
	*report
	definition  mapping.Definition
	shape       *marketo.Shape
	description marketo.Description
	// tables are those that are known.
	tables []catalog.Table
}

// column is the one that a rule takes its values from as they are; nil when
// there is none, or it is not known.
func (c *comparison) column(r mapping.Rule) *catalog.TableColumn {
	table, column := mapping.Table{Schema: c.definition.Schema, Name: c.definition.Table}, r.Column
	if r.Lookup != nil && r.Expr == "" {
		table, column = mapping.Table{Schema: r.Lookup.Schema, Name: r.Lookup.Table}, r.Lookup.Column
	}
	for i := range c.tables {
		if t := &c.tables[i]; column != "" && t.Schema == table.Schema && t.Name == table.Name {
			return t.Column(column)
		}
	}
	return nil
}

func (c *comparison) check() string { return "object " + c.definition.Object }

func (c *comparison) compare() {
	before := len(c.findings)
	c.compareKey()
	if c.description.Learnt {
		c.ok(c.check(), "a type that the simulator learns: it takes any field, so the attributes of mapping %s were not looked at", c.definition.Name)
		return
	}
	for _, name := range slices.Concat(c.shape.Key, c.shape.Attributes) {
		if f := c.field(name); f != nil {
			c.compareField(f)
		}
	}
	if !slices.ContainsFunc(c.findings[before:], func(f Finding) bool { return f.Level == Fail }) {
		c.ok(c.check(), "it has the key and all attributes of mapping %s", c.definition.Name)
	}
}

// compareKey asks that the key be exactly the dedupe fields: Marketo finds an
// object by all of them and by nothing else.
func (c *comparison) compareKey() {
	key, dedupe := c.shape.Key, c.description.DedupeFields
	if len(missing(key, dedupe)) == 0 && len(missing(dedupe, key)) == 0 {
		return
	}
	c.fail(c.check()+": key", fmt.Sprintf("the key of mapping %s is %s, and the dedupe fields of the object are %s", c.definition.Name, list(key), orNothing(dedupe)),
		"give the mapping's key exactly these fields: "+orNothing(dedupe))
}

// field finds a field and reports one that is missing or cannot be written.
func (c *comparison) field(name string) *marketo.Field {
	names := make([]string, len(c.description.Fields))
	for i := range c.description.Fields {
		f := &c.description.Fields[i]
		names[i] = f.Name
		if f.Name != name {
			continue
		}
		// Dedupe fields cannot be updated, but are written with the key.
		if !f.Updateable && !slices.Contains(c.shape.Key, name) {
			remedy := "take it out of the mapping"
			if slices.Contains(c.description.DedupeFields, name) {
				remedy = "move it to the mapping's key"
			}
			c.fail(c.check()+": "+name, "the field cannot be updated", remedy)
			return nil
		}
		return f
	}
	c.fail(c.check()+": "+name, "the object has no such field"+spelling.Hint(name, names),
		"correct the attribute in mapping "+c.definition.Name+", or add the field to the object and approve it")
	return nil
}

// compareField holds what the mapping writes to a field against its type.
func (c *comparison) compareField(f *marketo.Field) {
	check := c.check() + ": " + f.Name
	for _, r := range slices.Concat(c.definition.Key, c.definition.Attributes, c.definition.OnDelete.Set) {
		if r.Attribute != f.Name && !(r.Constant != nil && strings.EqualFold(r.Attribute, f.Name)) {
			continue
		}
		level, detail := OK, ""
		switch {
		case r.Constant != nil:
			level, detail = compareConstant(*r.Constant, f)
		default:
			if column := c.column(r); column != nil {
				level, detail = CompareColumn(column, f)
			}
		}
		if detail != "" {
			var remedy Remedy
			if level != OK {
				remedy.Words = "map something that fits, such as an expr, or change the field's type"
			}
			c.add(level, check, detail, remedy)
		}
	}
}
