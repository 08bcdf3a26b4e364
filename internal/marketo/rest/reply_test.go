package rest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

// rows is a batch of n objects with the keys {1000+i, "r"i}.
func rows(n int, op marketo.Operation) *marketo.Batch {
	shape := &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}
	b := &marketo.Batch{Type: "RoadShow", Operation: op}
	for i := range n {
		b.Objects = append(b.Objects, marketo.NewObject(shape, []marketo.Value{
			{Kind: marketo.Number, Text: fmt.Sprint(1000 + i)}, {Kind: marketo.String, Text: fmt.Sprintf("r%d", i)}, {Kind: marketo.String, Text: "city"},
		}))
	}
	return b
}

// outcomes writes results as one letter each: c, r, w, j(reject), ?.
func outcomes(results []marketo.Result) string {
	s := make([]byte, len(results))
	for i, r := range results {
		s[i] = "?crwj"[r.Outcome]
	}
	return string(s)
}

// record is an element of result, as Marketo writes it.
func record(seq any, status string, reasons ...string) string {
	s := fmt.Sprintf(`{"seq":%v,"status":%q,"marketoGUID":"dff23271-f996-47d7-984f-f2676861b5fa"`, seq, status)
	if len(reasons) > 0 {
		s += `,"reasons":[` + strings.Join(reasons, ",") + `]`
	}
	return s + "}"
}

func reason(code string) string { return `{"code":` + code + `,"message":"why"}` }

func restReply(records ...string) string {
	return `{"requestId":"e42b#14272d07d78","success":true,"result":[` + strings.Join(records, ", ") + `]}` + "\n"
}

func TestRESTStatuses(t *testing.T) {
	for _, tt := range []struct {
		name, record string
		want         string // for upsert, insert, update, delete
	}{
		{"created", record(0, "created"), "cc??"},
		{"updated", record(0, "updated"), "c?c?"},
		{"deleted", record(0, "deleted"), "???c"},
		{"skipped", record(0, "skipped"), "jccj"},
		{"skipped, empty reasons", strings.Replace(record(0, "skipped"), "}", `,"reasons":[]}`, 1), "jccj"},
		{"skipped, lead not found", record(0, "skipped", reason(`"1004"`)), "wwww"},
		{"a code as a number", record(0, "skipped", reason("1004")), "wwww"},
		{"skipped, object not found", record(0, "skipped", reason(`"1013"`)), "jjcc"},
		{"skipped, object exists", record(0, "skipped", reason(`"1017"`)), "jcjj"},
		{"skipped, object in use", record(0, "skipped", reason(`"1022"`)), "rrrr"},
		{"skipped, failed to create", record(0, "skipped", reason(`"1014"`)), "rrrr"},
		{"skipped, temporarily unavailable", record(0, "skipped", reason(`"713"`)), "rrrr"},
		{"skipped, field not found", record(0, "skipped", reason(`"1006"`)), "jjjj"},
		{"skipped, value not valid", record(0, "skipped", reason(`"1003"`)), "jjjj"},
		{"skipped, an unknown code", record(0, "skipped", reason(`"9999"`)), "jjjj"},
		{"skipped, no code", record(0, "skipped", `{"message":"?"}`), "jjjj"},
		{"skipped, the gravest decides", record(0, "skipped", reason(`"1013"`), reason(`"1022"`), reason(`"1003"`), reason(`"1004"`)), "jjjj"},
		{"skipped, waiting before retrying", record(0, "skipped", reason(`"1022"`), reason(`"1004"`), reason(`"1013"`)), "jjww"},
		{"created, with reasons", record(0, "created", reason(`"1003"`)), "????"},
		{"failed, a word REST has not", record(0, "failed"), "????"},
		{"Created", record(0, "Created"), "????"},
		{"an empty status", record(0, ""), "????"},
		{"no status", `{"seq":0}`, "????"},
		{"a null status", `{"seq":0,"status":null}`, "????"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for op, want := range tt.want {
				got, failed, err := readReply([]byte(restReply(tt.record)), rows(1, marketo.Operation(op)))
				if err != nil || failed != nil || outcomes(got) != string(want) {
					t.Errorf("%s: %v, failure %v, error %v, want %c", marketo.Operation(op), got, failed, err, want)
				}
			}
		})
	}
}

// REST statuses become SOAP's.
func TestRESTTranslation(t *testing.T) {
	for _, tt := range []struct {
		op     marketo.Operation
		record string
		want   marketo.Result
	}{
		{marketo.Upsert, record(0, "created"), marketo.Result{Status: marketo.Created, Outcome: marketo.Confirmed}},
		{marketo.Delete, record(0, "deleted"), marketo.Result{Status: marketo.Deleted, Outcome: marketo.Confirmed}},
		{marketo.Delete, record(0, "skipped", reason(`"1013"`)), marketo.Result{Status: marketo.Unchanged, Outcome: marketo.Confirmed, Code: "1013", Message: "why"}},
		{marketo.Insert, record(0, "skipped", reason(`"1017"`)), marketo.Result{Status: marketo.Skipped, Outcome: marketo.Confirmed, Code: "1017", Message: "why"}},
		{marketo.Update, record(0, "skipped", reason(`1013`)), marketo.Result{Status: marketo.Skipped, Outcome: marketo.Confirmed, Code: "1013", Message: "why"}},
		{marketo.Upsert, record(0, "skipped", reason(`"1004"`)), marketo.Result{Status: marketo.Failed, Outcome: marketo.Wait, Code: "1004", Message: "why"}},
		{marketo.Upsert, record(0, "skipped", reason(`"1003"`)), marketo.Result{Status: marketo.Failed, Outcome: marketo.Reject, Code: "1003", Message: "why"}},
		{marketo.Upsert, record(0, "created", reason(`"1003"`)), marketo.Result{Status: marketo.NoStatus, Outcome: marketo.Unknown, Code: "1003", Message: "why"}},
	} {
		got, _, err := readReply([]byte(restReply(tt.record)), rows(1, tt.op))
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s of %s: %+v, error %v, want %+v", tt.op, tt.record, got, err, tt.want)
		}
	}
}

func TestRESTMatching(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"all in order", restReply(record(0, "created"), record(1, "updated"), record(2, "created")), "ccc"},
		{"in another order", restReply(record(2, "created"), record(0, "skipped"), record(1, "updated")), "jcc"},
		{"one missing", restReply(record(0, "created"), record(2, "created")), "c?c"},
		{"none", restReply(), "???"},
		{"doubled", restReply(record(0, "created"), record(1, "created"), record(0, "created")), "?c?"},
		{"three times", restReply(record(1, "created"), record(1, "created"), record(1, "created")), "???"},
		{"out of range", restReply(record(3, "created"), record(-1, "created"), record("4294967296", "created"), record(2, "created")), "??c"},
		{"not an integer", restReply(record("0.0", "created"), record("1e0", "created"), record(2, "created")), "??c"},
		{"a string, null, nothing", restReply(record(`"0"`, "created"), record("null", "created"), `{"status":"created"}`), "???"},
		{"unknown fields", restReply(`{"x":{"y":[1,{"z":null}]},"status":"created","seq":1,"reasons":null}`), "?c?"},
		{"escapes", restReply(`{"seq":0,"st\u0061tus":"cre\u0061ted"}`), "c??"},
		{"an empty errors", strings.Replace(restReply(record(0, "created")), `"success":true`, `"success":true,"errors":[]`, 1), "c??"},
		{"result in front", `{"result":[` + record(0, "created") + `],"success":true}`, "c??"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, failed, err := readReply([]byte(tt.body), rows(3, marketo.Upsert))
			if err != nil || failed != nil || outcomes(got) != tt.want {
				t.Errorf("%s, failure %v, error %v, want %s", outcomes(got), failed, err, tt.want)
			}
		})
	}
}

func TestRESTRefuses(t *testing.T) {
	good := restReply(record(0, "created"))
	in := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, body := range map[string]string{
		"empty":                       "",
		"HTML":                        "<html></html>",
		"null":                        "null",
		"an array":                    "[" + good + "]",
		"two documents":               good + good,
		"text behind it":              good + "x",
		"a byte order mark":           "\xEF\xBB\xBF" + good,
		"not UTF-8":                   in("e42b", "e\xFF2b"),
		"a control character":         in("e42b", "e\n2b"),
		"an unknown escape":           in("e42b", `e\x2b`),
		"half an escape":              in("e42b", `e\u00"`),
		"success and errors":          in(`"success":true`, `"success":true,"errors":[{"code":"611"}]`),
		"no success, but results":     in(`"success":true`, `"success":false,"errors":[{"code":"611"}]`),
		"no success, no errors":       `{"success":false}`,
		"no success, empty errors":    `{"success":false,"errors":[]}`,
		"success without result":      `{"success":true}`,
		"no word of success":          in(`"success":true,`, ""),
		"success as a string":         in(`"success":true`, `"success":"true"`),
		"success as a number":         in(`"success":true`, `"success":1`),
		"success null":                in(`"success":true`, `"success":null`),
		"success twice":               in(`"success":true`, `"success":false,"success":true`),
		"success twice, once escaped": in(`"success":true`, `"success":true,"\u0073uccess":true`),
		"status twice":                in(`"status":"created"`, `"status":"skipped","status":"created"`),
		"seq twice":                   in(`"seq":0`, `"seq":1,"seq":0`),
		"a key twice, deep inside":    in(`"seq":0`, `"x":[{"a":1,"a":2}],"seq":0`),
		"result as an object":         `{"success":true,"result":{}}`,
		"result null":                 `{"success":true,"result":null}`,
		"a record as a string":        restReply(`"created"`),
		"seq an object":               in(`"seq":0`, `"seq":{}`),
		"a comma at the end":          in("]}", ",]}"),
		"a comma at the end inside":   in(`fa"}`, `fa",}`),
		"a comma in front":            in(`"result":[`, `"result":[,`),
		"no comma":                    in(`true,"result"`, `true "result"`),
		"no colon":                    in(`"seq":0`, `"seq" 0`),
		"a comment":                   in(`"seq":0`, `/* x */"seq":0`),
		"a number with a zero":        in(`"seq":0`, `"seq":00`),
		"a number with a plus":        in(`"seq":0`, `"seq":+0`),
		"single quotes":               strings.ReplaceAll(good, `"`, "'"),
		"nested too deeply":           in(`"seq":0`, `"x":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`,"seq":0`),
		"a million levels":            strings.Repeat("[", 1<<20),
		"a million levels of keys":    strings.Repeat(`{"a":`, 1<<19),
		"too many keys":               in(`"seq":0`, manyKeys(300)+`"seq":0`),
	} {
		t.Run(name, func(t *testing.T) {
			if got, failed, err := readReply([]byte(body), rows(1, marketo.Upsert)); err == nil || got != nil || failed != nil {
				t.Errorf("accepted: %v, failure %v", got, failed)
			}
		})
	}
}

func manyKeys(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `"k%d":0,`, i)
	}
	return s.String()
}

func TestRESTFailure(t *testing.T) {
	for _, tt := range []struct{ body, code, text string }{
		{`{"requestId":"x","success":false,"errors":[{"code":"606","message":"Max rate limit '100' exceeded"}]}`, "606", "Max rate limit '100' exceeded"},
		{`{"success":false,"errors":[{"message":"x\u00e9\ud83d\ude80\ud83d\n","code":607},{"code":"611","message":"y"}],"result":[]}`, "607", "xé🚀\uFFFD\n"},
		{`{"errors":[{}],"success":false}`, "", ""},
		{`{"errors":[{"code":"<script>"}],"success":false}`, "", ""},
	} {
		got, failed, err := readReply([]byte(tt.body), rows(1, marketo.Upsert))
		if err != nil || got != nil || failed == nil || failed.code != tt.code || string(failed.text) != tt.text {
			t.Errorf("%s: %v, failure %+v, error %v, want code %q, text %q", tt.body, got, failed, err, tt.code, tt.text)
		}
	}
}

func TestRESTCut(t *testing.T) {
	whole := strings.TrimSpace(restReply(record(0, "created"), record(1, "skipped", reason(`"1004"`)), record(2, "updated")))
	for n := range len(whole) {
		if got, failed, err := readReply([]byte(whole[:n]), rows(3, marketo.Upsert)); err == nil || got != nil || failed != nil {
			t.Fatalf("cut after %d bytes: %v, failure %v, want an error", n, got, failed)
		}
	}
}

// Whatever comes back: no panic, nothing but what was sent is settled, and
// only by what encoding/json reads as JSON too.
func FuzzRESTReply(f *testing.F) {
	f.Add([]byte(restReply(record(0, "created"), record(1, "skipped", reason(`"1004"`)))))
	f.Add([]byte(`{"success":false,"errors":[{"code":606,"message":"\ud83d\ude80\u0041"}]}`))
	f.Add([]byte(`{"success":true,"result":[{"seq":2,"status":"updated","x":[-0.5e+3,null,true,false,{}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, failed, err := readReply(body, rows(3, marketo.Upsert))
		if err != nil || failed != nil {
			if got != nil {
				t.Fatalf("results beside an error: %v", got)
			}
			return
		}
		if len(got) != 3 {
			t.Fatalf("%d results, want 3", len(got))
		}
		var reply struct {
			Success bool
			Result  []struct {
				Seq    any
				Status any
			}
		}
		if err := json.Unmarshal(body, &reply); err != nil || !reply.Success {
			t.Fatalf("accepted what encoding/json reads as %+v, error %v", reply, err)
		}
		for seq, r := range got {
			if r.Outcome != marketo.Confirmed {
				continue
			}
			found := 0
			for _, rec := range reply.Result {
				if n, ok := rec.Seq.(float64); ok && n == float64(seq) && (rec.Status == "created" || rec.Status == "updated") {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("object %d confirmed, but encoding/json finds %d statuses that say so", seq, found)
			}
		}
	})
}

func BenchmarkRESTReply(b *testing.B) {
	batch, records := rows(300, marketo.Upsert), []string{}
	for i := range 300 {
		records = append(records, record(i, "created"))
	}
	body := []byte(restReply(records...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := readReply(body, batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRESTEncode(b *testing.B) {
	batch, dst := rows(300, marketo.Upsert), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if dst, ok = appendBody(dst[:0], batch); !ok {
			b.Fatal("not JSON")
		}
	}
	b.SetBytes(int64(len(dst)))
}
