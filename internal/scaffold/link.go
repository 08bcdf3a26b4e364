package scaffold

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// Names of columns that link an object to a person, folded: those with Marketo's
// own number of the lead, with an address, and with a number of somebody else.
var (
	leadIDs   = []string{"leadid", "marketoleadid", "mktoleadid", "mktoid", "marketoid", "mktoleadsid"}
	addresses = []string{"email", "emailaddress", "mail", "useremail", "customeremail", "contactemail", "personemail", "leademail", "subscriberemail"}
	personIDs = []string{"personid", "contactid", "customerid", "userid", "memberid", "subscriberid", "clientid", "accountid"}
)

// linkWords ends the note of a line that probably is the link.
const linkWords = "; probably what links the object to a lead, by its name"

// pointOutLink says which field links the object to a lead: Marketo's word where
// there is one, else a guess by the names of the columns.
func (p *Proposal) pointOutLink(d *marketo.Description) {
	if d != nil && !d.Learnt {
		p.pointOutDescribed(d)
		return
	}
	for _, kind := range []struct {
		names []string
		holds string
	}{{leadIDs, "Marketo's id of the lead"}, {addresses, "the lead's e-mail address"}, {personIDs, "an id that leads have in a field of their own"}} {
		for _, lines := range [][]Line{p.Attributes, p.Key} {
			for i := range lines {
				column := lines[i].Column
				if lines[i].Lookup != nil {
					column = lines[i].Lookup.Column
				}
				if slices.Contains(kind.names, folded(column)) {
					lines[i].Note += linkWords
					p.Notes = append(p.Notes, fmt.Sprintf("Link field: %s (%s), guessed by the column's name. It is set in Marketo, in the object type.", lines[i].Attribute, kind.holds))
					return
				}
			}
		}
	}
	p.Notes = append(p.Notes, "Link field: no column looks like one. Without it Marketo shows the objects with nobody.")
}

func (p *Proposal) pointOutDescribed(d *marketo.Description) {
	found := false
	for _, link := range d.Links {
		mapped := false
		for _, lines := range [][]Line{p.Key, p.Attributes} {
			for i := range lines {
				if strings.EqualFold(lines[i].Attribute, link.Field) {
					lines[i].Note += "; links the object to " + link.Type() + "." + link.RelatedTo.Field
					mapped = true
				}
			}
		}
		found = true
		if !mapped {
			p.Notes = append(p.Notes, fmt.Sprintf("Link field: %s, which holds %s of the %s, has no column here: without it Marketo shows the objects with nobody.", link.Field, link.RelatedTo.Field, link.Type()))
		}
	}
	if !found {
		p.Notes = append(p.Notes, "Link field: Marketo names none for "+d.Name+".")
	}
}
