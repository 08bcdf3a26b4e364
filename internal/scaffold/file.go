package scaffold

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/internal/preflight"
)

// File is a configuration to be written.
type File struct {
	// Schema is where editors find the JSON Schema, as seen from the file.
	Schema string
	// URL is what source.url says as it stands in the file; URLFile what
	// source.url_file does. Both are empty where PG* variables say it all.
	URL, URLFile string
	// Slot and Publication are named where they are not the default.
	Slot, Publication string
	// SOAP has the file speak SOAP; else it is REST.
	SOAP bool
	// Asked is set where Marketo said which types and fields there are.
	Asked     bool
	Proposals []Proposal
	// Steps are what somebody has to do before the first start.
	Steps []preflight.Finding
}

// Mapped counts the mappings that are in use.
func (f *File) Mapped() int {
	n := 0
	for i := range f.Proposals {
		if len(f.Proposals[i].Obstacles) == 0 {
			n++
		}
	}
	return n
}

// Text is the file.
func (f *File) Text() string {
	var b strings.Builder
	b.WriteString("# yaml-language-server: $schema=" + f.Schema + "\n")
	b.WriteString(comment("", "A configuration of cdcsync, proposed by `cdcsync init` from what is in the database. Read it, change what is wrong, then run `cdcsync check`. "+
		"Whatever is not here has its default: config.example.yaml explains every key, docs/mapping.md every rule of a mapping."))
	if !f.Asked {
		b.WriteString("#\n" + comment("", "Marketo was not asked: object types and fields are named after tables and columns. "+
			"Where MARKETO_ENDPOINT, MARKETO_CLIENT_ID and MARKETO_CLIENT_SECRET are set, init asks it, and matches the names."))
	}
	b.WriteString(f.steps())
	b.WriteString("\nsource:\n")
	switch {
	case f.URLFile != "":
		b.WriteString("  url_file: " + Scalar(f.URLFile) + "\n")
	case f.URL != "":
		b.WriteString("  url: " + f.URL + "\n")
	default:
		b.WriteString("  # The PG* variables of the environment say where the database is.\n")
	}
	b.WriteString("  slot: " + Scalar(f.Slot) + "\n  publication: " + Scalar(f.Publication) + "\n")
	b.WriteString(f.marketo())
	b.WriteString("\n# Where the position, the parked objects and the use of the limits are kept.\nstate: sqlite:cdcsync.db\n\nmappings:\n")
	for i := range f.Proposals {
		b.WriteString(f.Proposals[i].text())
	}
	return b.String()
}

func (f *File) steps() string {
	if len(f.Steps) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("#\n# Before the first start:\n")
	for _, s := range stepsOf(f.Steps) {
		for _, line := range s.lines() {
			b.WriteString(comment("", line))
		}
	}
	return b.String()
}

func (f *File) marketo() string {
	if f.SOAP {
		return `
marketo:
  soap:
    endpoint: ${MARKETO_ENDPOINT}
    user_id: ${MARKETO_USER_ID}
    secret_key: ${MARKETO_SECRET_KEY}
`
	}
	return `
marketo:
  rest:
    # Marketo shows it under Admin > Web Services: https://123-ABC-456.mktorest.com
    endpoint: ${MARKETO_ENDPOINT}
    # Those of a custom service: Admin > LaunchPoint.
    client_id: ${MARKETO_CLIENT_ID}
    client_secret: ${MARKETO_CLIENT_SECRET}
`
}

// text is one mapping, as a comment where something stands against it.
func (p *Proposal) text() string {
	var b strings.Builder
	const indent = "  "
	for _, why := range p.Obstacles {
		b.WriteString(comment(indent, p.Table.Schema+"."+p.Table.Name+" is not mapped: "+why))
	}
	for _, note := range p.Notes {
		b.WriteString(comment(indent, note))
	}
	body := p.body()
	if len(p.Obstacles) == 0 {
		b.WriteString(body)
		return b.String()
	}
	b.WriteString(indent + "# When that is fixed, take the # of these lines away:\n")
	for line := range strings.Lines(body) {
		b.WriteString(indent + "#" + strings.TrimPrefix(line, indent))
	}
	return b.String()
}

func (p *Proposal) body() string {
	var b strings.Builder
	b.WriteString("  - table: " + Scalar(tableText(p.Table.Schema, p.Table.Name)) + "\n")
	if p.Name != p.Table.Name {
		b.WriteString("    name: " + Scalar(p.Name) + "\n")
	}
	b.WriteString("    object: " + Scalar(p.Object) + "\n")
	if len(p.Key) == 0 {
		b.WriteString("    key: {field: column}\n")
	} else {
		b.WriteString("    key:\n" + lines(p.Key))
	}
	if len(p.Attributes) > 0 {
		b.WriteString("    attributes:\n" + lines(p.Attributes))
	}
	if len(p.Left) > 0 {
		b.WriteString("    # Left out:\n")
		for _, l := range p.Left {
			b.WriteString(comment("    ", "- "+l.What+": "+l.Why))
		}
	}
	b.WriteString("    # Whether the rows that the table already has are sent.\n    backfill: true\n")
	b.WriteString("    # What a deleted row does to its object: ignore, delete, or {set: {field: value}}.\n    on_delete: ignore\n")
	return b.String()
}

func lines(all []Line) string {
	var b strings.Builder
	for _, l := range all {
		if l.Lookup != nil {
			b.WriteString(lookupLines(&l))
			continue
		}
		fmt.Fprintf(&b, "      %s: %s  # %s\n", literal(l.Attribute), Scalar(l.Column), inComment(l.Note))
	}
	return b.String()
}

func lookupLines(l *Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "      %s:  # %s\n        lookup:\n          table: %s\n          column: %s\n          match:\n",
		literal(l.Attribute), inComment(l.Note), Scalar(tableText(l.Lookup.Schema, l.Lookup.Table)), Scalar(l.Lookup.Column))
	for _, m := range l.Lookup.Match {
		fmt.Fprintf(&b, "            %s: %s\n", literal(m.Theirs), Scalar(m.Ours))
	}
	return b.String()
}
