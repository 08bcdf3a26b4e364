// Package remedy says what is to be done about a parked object, and who can do
// it, by the code it was parked for: Marketo's, or one of ours.
//
// It is words only, for people; what becomes of an object is decided elsewhere.
package remedy

// Who can do something about it.
const (
	Data     = "who keeps the rows"
	Mapping  = "who keeps the mapping"
	Marketo  = "an administrator of Marketo"
	Database = "who keeps the database"
	Nobody   = "nobody has to"
)

// Remedy is what is to be done about objects of one code.
type Remedy struct {
	Who string
	// Do is a sentence without its full stop, or several with ; in between.
	Do string
}

const retry = ", then retry"

// remedies are those of single codes; marketo's numbers are of single records.
var remedies = map[string]Remedy{
	"1001": {Data, "a value has another type than its field: fix the row, or map an expr that fits" + retry},
	"1002": {Data, "a field that must have a value has none: fill it in the row, or leave such rows out with where" + retry},
	"1003": {Data, "Marketo does not take a value; its message says which: fix the row, or the field's type and length" + retry},
	"1004": {Nobody, "Marketo does not know the lead yet: it is tried again by itself, ever less often; if the lead is never to come, leave such rows out with where"},
	"1005": {Data, "the lead exists already: see in Marketo which of the two is right" + retry},
	"1006": {Mapping, "the object type has no such field: correct the attribute, or add the field and approve the type" + retry},
	"1007": {Data, "several leads fit the link field: merge them in Marketo" + retry},
	"1008": {Marketo, "the API user may not use the lead's partition: give its role the right" + retry},
	"1009": {Marketo, "a partition has to be named, which this program cannot: give the workspace one partition" + retry},
	"1010": {Marketo, "the lead's partition may not be changed: see who else writes it" + retry},
	"1011": {Mapping, "the field cannot be written over the API: take it out of the mapping" + retry},
	"1013": {Marketo, "there is no such object: look for it there; with operation: UPDATE an object has to be there before" + retry},
	"1014": {Marketo, "Marketo could not create the object again and again: ask its support with the key and the time" + retry},
	"1016": {Marketo, "Marketo failed again and again: ask its support with the key and the time" + retry},
	"1017": {Mapping, "the object exists already, and operation: INSERT only creates: use UPSERT, or discard it"},
	"1018": {Mapping, "a CRM keeps the type, and only that may write it: map another type"},
	"1019": {Marketo, "Marketo failed again and again: ask its support with the key and the time" + retry},
	"1022": {Marketo, "something else in Marketo used the object again and again: see which campaign or import" + retry},
	"1026": {Marketo, "custom objects are not enabled, or the type is not approved: fix that" + retry},
	"1029": {Marketo, "too many jobs were waiting at Marketo again and again: see what else imports" + retry},
	"1036": {Mapping, "the same key was twice in one call: keys that Marketo takes for one, as in other case; see `cdcsync check`" + retry},

	"-":          {Data, "Marketo gave no code, as SOAP does not; its message tells: fix what it names" + retry},
	"no_status":  {Marketo, "Marketo gave no usable status again and again: look at the object there, then retry or discard"},
	"null_key":   {Data, "the row has no value for its key, so that it cannot be retried: fill it in the row, or leave such rows out with where; then discard it"},
	"value":      {Data, "a value cannot be written; the message says of which column: fix the row" + retry},
	"characters": {Mapping, "a text holds characters that cannot be sent: fix the row, or set characters or beyond_bmp" + retry},
	"expression": {Mapping, "the expression fails for this row: fix it, or the row" + retry},
	"unchanged":  {Database, "the stream did not carry a value that is needed: run the statement in the message" + retry},
	"unreadable": {Database, "the server cannot read the row as it is: find the SQLSTATE in its log, fix the row" + retry},
	"shared_key": {Data, "several rows have the key of one object: choose key columns that are unique, or fix the rows" + retry},
	"lookup":     {Data, "several rows of another table match, or the one that does cannot be read: remove those that are too many, or choose other columns for match" + retry},
	"too_large":  {Mapping, "the object alone is larger than a call may be: map fewer or shorter attributes" + retry},
}

// For returns what is to be done about a code; "" is of objects without one.
func For(code string) Remedy {
	if code == "" {
		code = "-"
	}
	if r, ok := remedies[code]; ok {
		return r
	}
	return Remedy{Marketo, "Marketo refused it; its message says why: fix the row, the mapping or the object type" + retry}
}
