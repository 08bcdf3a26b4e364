package marketo

// How codes and statuses are read. Marketo's texts are never classified, only
// its codes; the tables follow its documentation of SOAP error codes and REST
// error codes.

// Rule is what a code of a whole call means to us and what an operator reads.
type Rule struct {
	Class FaultClass
	Help  string
}

// soapCodes are the codes of SOAP faults.
var soapCodes = map[string]Rule{
	"10001": {FaultRetry, "internal error at Marketo"},
	"20011": {FaultRetry, "internal error at Marketo"},
	"20012": {FaultRefused, "the request is not understood"},
	"20013": {FaultCredentials, "access denied; check the permissions of the API user"},
	"20014": {FaultCredentials, "authentication failed; check the user id and the secret key"},
	"20015": {FaultQuota, "the calls of the day are used up; they come back at midnight US Central time"},
	"20016": {FaultExpired, "the request's signature has expired"},
	"20017": {FaultRefused, "a parameter is missing or bad"},
	"20019": {FaultRefused, "the operation is unknown; check the endpoint's version"},
	"20023": {FaultRate, "more than 100 calls in 20 seconds, all integrations together"},
	"20024": {FaultConcurrency, "more than 10 calls at once, all integrations together"},
	"20103": {FaultRefused, "the lead is not found"},
	"20109": {FaultRefused, "a parameter is missing"},
	"20110": {FaultRefused, "a parameter is bad; check the name of the custom object and of its fields"},
	"20114": {FaultRefused, "the request is not understood"},
}

// restCodes are the codes of whole REST calls.
var restCodes = map[string]Rule{
	"413": {FaultTooLarge, "the body is too large"},
	"600": {FaultExpired, "the access token is missing"},
	"601": {FaultExpired, "the access token is not valid"},
	"602": {FaultExpired, "the access token has expired"},
	"603": {FaultCredentials, "access denied; check the permissions of the API user's role"},
	"604": {FaultUnknown, "the call took too long at Marketo"},
	"606": {FaultRate, "more than 100 calls in 20 seconds, all integrations together"},
	"607": {FaultQuota, "the calls of the day are used up; they come back at midnight US Central time"},
	"608": {FaultRetry, "the API is temporarily unavailable"},
	"609": {FaultRefused, "the request is not valid JSON"},
	"610": {FaultRefused, "not found; check the name of the custom object"},
	"611": {FaultRetry, "internal error at Marketo"},
	"612": {FaultRefused, "the content type is not supported"},
	"614": {FaultRetry, "the subscription is not reachable"},
	"615": {FaultConcurrency, "more than 10 calls at once, all integrations together"},
	"616": {FaultRetry, "the subscription does not have this part of the API"},
	"701": {FaultRefused, "a field is empty that must not be"},
	"704": {FaultRefused, "a date is not understood"},
	"709": {FaultRefused, "a business rule is violated"},
	"713": {FaultRetry, "Marketo was busy with something else"},
	// Of a bulk extract only.
	"1029": {FaultRetry, "no extract now: the bytes of the day are used up, or too many jobs are queued"},
	"1035": {FaultRefused, "the subscription does not have this filter of a bulk extract"},
}

// recordCodes say what becomes of one record. A code that is not here parks
// the object: Marketo said no, and somebody should see why.
var recordCodes = map[string]Outcome{
	"1001": Reject, // value of the wrong type
	"1002": Reject, // value missing
	"1003": Reject, // value not valid
	"1004": Wait,   // lead not found: cures itself when the lead arrives
	"1005": Reject, // lead exists
	"1006": Reject, // field not found
	"1007": Reject, // several leads match
	"1008": Reject, // no permission on the partition
	"1009": Reject, // partition name missing
	"1010": Reject, // partition update not allowed
	"1011": Reject, // field not supported
	"1013": Reject, // object not found, unless the operation does not mind
	"1014": Retry,  // creation failed
	"1016": Retry,
	"1017": Reject, // object exists, unless the operation does not mind
	"1018": Reject, // managed by the CRM
	"1019": Retry,
	"1022": Retry,  // object in use
	"1026": Reject, // custom object type not enabled
	"1029": Retry,
	"1036": Reject, // the same key twice in a call
}

// RecordOutcome reads one reason of a skipped record. done says that the
// reason is no complaint: the operation's effect is there.
func RecordOutcome(op Operation, code string) (o Outcome, done bool) {
	if code == "1013" && (op == Delete || op == Update) || code == "1017" && op == Insert {
		return Confirmed, true
	}
	if o, ok := recordCodes[code]; ok {
		return o, false
	}
	if r, ok := restCodes[code]; ok && (r.Class == FaultRetry || r.Class == FaultUnknown) {
		return Retry, false
	}
	return Reject, false
}

// SOAPRule reads a fault's code. A code that is not known may be anything, so
// the call is tried again.
func SOAPRule(code string) Rule {
	if r, ok := soapCodes[code]; ok {
		return r
	}
	return Rule{FaultRetry, "a fault that is not known"}
}

// RESTRule reads the code of a failed call. A record's code there is about
// some record of the call, so splitting finds it.
func RESTRule(code string) Rule {
	if r, ok := restCodes[code]; ok {
		return r
	}
	if recordCodes[code] == Reject {
		return Rule{FaultRefused, "a record is not accepted"}
	}
	return Rule{FaultRetry, "an error that is not known"}
}

// StatusOf reads the word of a SOAP status.
func StatusOf(word []byte) Status {
	for s := Created; s <= Deleted; s++ {
		if string(word) == s.String() {
			return s
		}
	}
	return NoStatus
}

// OutcomeOf reads a status in the light of the operation. One that the
// operation cannot have says nothing about what happened.
func OutcomeOf(op Operation, s Status) Outcome {
	switch s {
	case Failed:
		return Reject
	case Unchanged:
		return Confirmed
	case Created:
		return confirmedFor(op == Upsert || op == Insert)
	case Updated:
		return confirmedFor(op == Upsert || op == Update)
	case Deleted:
		return confirmedFor(op == Delete)
	case Skipped:
		if op == Insert || op == Update {
			return Confirmed
		}
		return Reject
	}
	return Unknown
}

func confirmedFor(possible bool) Outcome {
	if possible {
		return Confirmed
	}
	return Unknown
}

// CodeOf accepts a code as Marketo writes them: up to ten digits or letters.
// Anything else is no code, so that codes stay fit to label a metric.
func CodeOf(text []byte) string {
	if len(text) > 10 {
		return ""
	}
	for _, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') {
			return ""
		}
	}
	return string(text)
}
