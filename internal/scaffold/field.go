package scaffold

import (
	"slices"

	"github.com/cdcsync/cdcsync/internal/catalog"
	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/preflight"
)

// nameByColumns names each field after its column, as nothing is known of the
// type's.
func (p *Proposal) nameByColumns(columns []*catalog.TableColumn) {
	for _, c := range columns {
		note := c.Formatted
		if wanted := marketoType(c); wanted != note {
			note += "; " + wanted + " in Marketo"
		}
		p.Attributes = append(p.Attributes, Line{Attribute: fieldName(c.Name, p.taken()), Column: c.Name, Note: note})
	}
}

// nameByFields gives each column the field of the same name; a column or a field
// without the other is left out.
func (p *Proposal) nameByFields(columns []*catalog.TableColumn, d *marketo.Description) {
	var used []string
	for _, c := range columns {
		at := slices.IndexFunc(d.Fields, func(f marketo.Field) bool {
			return folded(f.Name) == folded(c.Name) && f.Name != d.IDField && !slices.Contains(d.DedupeFields, f.Name) && !slices.Contains(used, f.Name)
		})
		if at < 0 {
			p.leave(c, d.Name+" has no field of this name")
			continue
		}
		f := &d.Fields[at]
		if !f.Updateable {
			p.leave(c, "Marketo does not let the field "+f.Name+" be written")
			continue
		}
		used = append(used, f.Name)
		level, fit := preflight.CompareColumn(c, f)
		if level == preflight.Fail {
			p.leave(c, fit)
			continue
		}
		note := c.Formatted
		if level == preflight.Warn {
			note = fit
		}
		p.Attributes = append(p.Attributes, Line{Attribute: f.Name, Column: c.Name, Note: note})
	}
	for _, f := range d.Fields {
		if f.Updateable && !slices.Contains(used, f.Name) && !slices.Contains(d.DedupeFields, f.Name) {
			p.Left = append(p.Left, Left{"field " + f.Name + " (" + f.DataType + ")", "no column has this name"})
		}
	}
}

// marketoType is the field type that takes every value of a column.
func marketoType(c *catalog.TableColumn) string {
	if c.Array {
		return "text"
	}
	switch c.BuiltIn() {
	case "int2", "int4", "int8", "oid":
		return "integer"
	case "numeric", "float4", "float8":
		return "float"
	case "bool":
		return "boolean"
	case "date":
		return "date"
	case "timestamp", "timestamptz":
		return "datetime"
	case "text", "json", "jsonb", "xml":
		return "text"
	}
	return "string"
}
