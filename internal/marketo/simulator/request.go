package simulator

// The operations, by the name that both APIs share in Call and Rule.
const (
	opSync     = "sync"
	opDelete   = "delete"
	opGet      = "get"
	opDescribe = "describe"
	opList     = "list"
	opUsage    = "usage"
	opAssets   = "assets"
	opToken    = "token"
	opExport   = "export" // of a bulk extract: all but the file
	opFile     = "file"
)

// What a call does to objects.
const (
	modeUpsert = "UPSERT"
	modeInsert = "INSERT"
	modeUpdate = "UPDATE"
	modeDelete = "DELETE"
)

// The APIs.
const (
	apiSOAP = "soap"
	apiREST = "rest"
)

// request is one parsed call, the same for both APIs.
type request struct {
	api       string
	operation string
	mode      string // for sync and delete
	typeName  string // as the call wrote it
	objects   []object
	table     *table // for sync and delete
	ids       bool   // objects are named by marketoGUID
	// read makes the body of the answer of a call that changes nothing.
	read func() ([]byte, *fault)
	// answer makes the whole answer where it is not a document of the API.
	answer func() *reply
}

// object is one object of a call. REST does not tell keys from attributes:
// there they are all attributes.
type object struct {
	keys, attributes []attribute
}

// attribute is one name and value of an object. The empty value is null: both
// APIs clear with it.
type attribute struct {
	name, value string
	// structure is set for a JSON array or object, which no field can hold.
	structure bool
}

// fault is why a call was refused as a whole.
type fault struct {
	code    string
	message string
	// status is the HTTP status where it is not the API's own for faults.
	status int
	// violation names the rule of the contract that the client has broken,
	// where tests should be able to assert that it never did.
	violation string
}

// Violations that are counted. They mean that the client did what it must
// know not to do.
const (
	ViolationRate        = "rate"        // more calls in the window than allowed
	ViolationConcurrency = "concurrency" // more calls at once than allowed
	ViolationQuota       = "quota"       // more calls in the day than allowed
	ViolationSize        = "size"        // too many objects or bytes in a call
	ViolationDuplicate   = "duplicate"   // a key twice in a call
	ViolationMalformed   = "malformed"   // not what the contract describes
	ViolationDoubled     = "doubled"     // two calls that created one key at the same time
)
