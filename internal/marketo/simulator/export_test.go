package simulator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

var linked = []simulator.Type{{
	Name: "Car_c", Dedupe: []string{"vin"}, Link: simulator.Link{Field: "leadID", Lead: "Id"},
	Fields: []simulator.Field{{Name: "vin", Type: simulator.String}, {Name: "color", Type: simulator.String}, {Name: "leadID", Type: simulator.Integer}},
}, {
	Name: "Plain_c", Dedupe: []string{"id"}, Fields: []simulator.Field{{Name: "id", Type: simulator.String}},
}}

// extracting is what our client can do with extracts.
type extracting interface {
	marketo.Client
	CreateExtract(ctx context.Context, e marketo.Extract) (string, error)
	EnqueueExtract(ctx context.Context, objectType, id string) error
	CancelExtract(ctx context.Context, objectType, id string) error
	Extracts(ctx context.Context, objectType string) ([]marketo.ExtractJob, error)
	ExtractFile(ctx context.Context, objectType, id string, from int64, to io.Writer) (int64, error)
	Remove(ctx context.Context, objectType string, guids []string) ([]marketo.Result, error)
}

// cars makes objects, of which the last has no lead.
func cars(t *testing.T, in *instance, colors ...string) {
	t.Helper()
	shape := &marketo.Shape{Type: "Car_c", Key: []string{"vin"}, Attributes: []string{"color", "leadID"}}
	b := &marketo.Batch{Type: "Car_c"}
	for i, color := range colors {
		lead := marketo.Value{Kind: marketo.Number, Text: strconv.Itoa(i + 1)}
		if i == len(colors)-1 {
			lead = marketo.Value{Kind: marketo.Null}
		}
		kind := marketo.String
		if color == "" {
			kind = marketo.Null
		}
		b.Objects = append(b.Objects, marketo.NewObject(shape, []marketo.Value{
			{Kind: marketo.String, Text: fmt.Sprint("v", i)}, {Kind: kind, Text: color}, lead,
		}))
	}
	if reply := in.clients()["rest"].Sync(t.Context(), b); reply.Fault != nil {
		t.Fatal(reply.Fault)
	}
}

func codeOf(err error) string {
	var fault *marketo.Fault
	if errors.As(err, &fault) {
		return fault.Code
	}
	return ""
}

// A file has the objects of its range that are linked to a lead, each once for
// each time that it is there, and can be had in parts.
func TestOwnClientExtracts(t *testing.T) {
	in := start(t, simulator.Options{Types: linked})
	c := in.clients()["rest"].(extracting)
	cars(t, in, "red", `a "b", c`, "", "null", "old", "none")
	now := time.Now().Truncate(time.Second)
	in.Age("Car_c", func(key string) time.Time {
		if key == "v4" {
			return now.Add(-40 * 24 * time.Hour)
		}
		return now
	})
	if !in.Double("Car_c", "v0") {
		t.Fatal("no such object")
	}
	e := marketo.Extract{Type: "Car_c", Fields: []string{"vin", "color", "marketoGUID", "updatedAt"}, From: now.Add(-marketo.LongestExtract), To: now}
	id, err := c.CreateExtract(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	var none bytes.Buffer
	if _, err := c.ExtractFile(t.Context(), "Car_c", id, 0, &none); codeOf(err) != "http_404" || none.Len() > 0 {
		t.Errorf("file of a job that has not begun: %v, %d bytes", err, none.Len())
	}
	if err := c.EnqueueExtract(t.Context(), "Car_c", id); err != nil {
		t.Fatal(err)
	}
	if err := c.EnqueueExtract(t.Context(), "Car_c", id); codeOf(err) != "1029" {
		t.Errorf("queued again: %v", err)
	}
	jobs, err := c.Extracts(t.Context(), "car_c")
	if err != nil || len(jobs) != 1 || !jobs[0].Done() || jobs[0].ID != id || jobs[0].Records != 5 {
		t.Fatalf("jobs: %+v, %v", jobs, err)
	}
	var file bytes.Buffer
	n, err := c.ExtractFile(t.Context(), "Car_c", id, 0, &file)
	if err != nil || n != jobs[0].Bytes || n != int64(file.Len()) {
		t.Fatalf("%d of %d bytes: %v", n, jobs[0].Bytes, err)
	}
	if sum := sha256.Sum256(file.Bytes()); fmt.Sprintf("sha256:%x", sum) != jobs[0].Checksum {
		t.Errorf("checksum %s of another file", jobs[0].Checksum)
	}
	var rest bytes.Buffer
	if _, err := c.ExtractFile(t.Context(), "Car_c", id, 10, &rest); err != nil || rest.String() != file.String()[10:] {
		t.Errorf("from byte 10: %q, %v", rest.String(), err)
	}
	records, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	colors, guids := map[string]string{}, map[string]bool{}
	for _, r := range records[1:] {
		colors[r[0]] = r[1]
		guids[r[2]] = true
	}
	if fmt.Sprint(records[0]) != "[vin color marketoGUID updatedAt]" || len(guids) != 5 ||
		fmt.Sprint(colors) != `map[v0:red v1:a "b", c v2:null v3:null]` {
		t.Errorf("records: %q", records)
	}
	for range 299 {
		if _, err := c.CreateExtract(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	calls := len(in.Calls())
	if jobs, err := c.Extracts(t.Context(), "Car_c"); err != nil || len(jobs) != 300 || len(in.Calls()) != calls+1 {
		t.Errorf("a page of jobs: %d, %v, %d calls", len(jobs), err, len(in.Calls())-calls)
	}
	if id, err = c.CreateExtract(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if jobs, err := c.Extracts(t.Context(), "Car_c"); err != nil || len(jobs) != 301 || jobs[300].ID != id {
		t.Errorf("more than a page of jobs: %d, %v", len(jobs), err)
	}
	found, err := in.clients()["rest"].(interface {
		Query(context.Context, marketo.Query) ([]marketo.Stored, error)
	}).Query(t.Context(), marketo.Query{Type: "Car_c", Key: []string{"vin"}, Keys: [][]marketo.Value{{{Kind: marketo.String, Text: "v0"}}}})
	if err != nil || len(found) != 2 || found[0].GUID == found[1].GUID {
		t.Fatalf("an object that is there twice: %+v, %v", found, err)
	}
	results, err := c.Remove(t.Context(), "Car_c", []string{found[1].GUID, "no-such-id"})
	if err != nil || results[0].Status != marketo.Deleted || results[1].Outcome != marketo.Confirmed || len(in.Doubled("Car_c")) != 0 || in.Count("Car_c") != 6 {
		t.Errorf("one of two removed: %+v, %v, %d left", results, err, in.Count("Car_c"))
	}
	if v := in.Stats().Violations; len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// What the contract does not allow is refused, and the limits hold.
func TestExtractLimits(t *testing.T) {
	in := start(t, simulator.Options{Types: linked, Exports: simulator.Exports{Time: time.Hour, DailyBytes: 10}})
	c := in.clients()["rest"].(extracting)
	now := time.Now()
	good := marketo.Extract{Type: "Car_c", Fields: []string{"vin"}, From: now.Add(-time.Hour), To: now}
	long, unknown, nobody := good, good, good
	long.From = now.Add(-marketo.LongestExtract - 2*time.Second)
	unknown.Fields = []string{"engine"}
	nobody.Type = "Nobody_c"
	for code, e := range map[string]marketo.Extract{"709": long, "1006": unknown, "610": nobody} {
		if _, err := c.CreateExtract(t.Context(), e); codeOf(err) != code {
			t.Errorf("want %s: %v", code, err)
		}
	}
	for i := range 12 {
		id, err := c.CreateExtract(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.EnqueueExtract(t.Context(), "Car_c", id); i < 10 && err != nil || i >= 10 && codeOf(err) != "1029" {
			t.Errorf("job %d: %v", i, err)
		}
	}
	jobs, err := c.Extracts(t.Context(), "Car_c")
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]int{}
	for _, j := range jobs {
		statuses[j.Status]++
	}
	if fmt.Sprint(statuses) != "map[Created:2 Processing:2 Queued:8]" {
		t.Errorf("statuses: %v", statuses)
	}
	if err := c.CancelExtract(t.Context(), "Car_c", jobs[0].ID); err != nil {
		t.Error(err)
	}
	in.Heal()
	other := start(t, simulator.Options{Types: linked, Exports: simulator.Exports{DailyBytes: 2}})
	c = other.clients()["rest"].(extracting)
	id, err := c.CreateExtract(t.Context(), good)
	if err == nil {
		err = c.EnqueueExtract(t.Context(), "Car_c", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateExtract(t.Context(), good); codeOf(err) != "1029" {
		t.Errorf("beyond the bytes of the day: %v", err)
	}
}

// Statuses that are told change as seldom as Marketo's do.
func TestExtractStatusIsLate(t *testing.T) {
	in := start(t, simulator.Options{Types: linked, Exports: simulator.Exports{StatusEvery: time.Hour}})
	c := in.clients()["rest"].(extracting)
	id, err := c.CreateExtract(t.Context(), marketo.Extract{Type: "Car_c", Fields: []string{"vin"}, From: time.Now(), To: time.Now()})
	if err == nil {
		err = c.EnqueueExtract(t.Context(), "Car_c", id)
	}
	jobs, more := c.Extracts(t.Context(), "Car_c")
	if err = errors.Join(err, more); err != nil || jobs[0].Status != "Queued" {
		t.Errorf("%+v, %v", jobs, err)
	}
}

// curl extracts a file as the documentation says, and sha256sum agrees.
func TestCurlExtract(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	in := start(t, simulator.Options{Types: linked})
	cars(t, in, "red", "blue", "none")
	run := func(arguments ...string) string {
		t.Helper()
		output, err := exec.Command(curl, append([]string{"-sS", "--noproxy", "*"}, arguments...)...).Output()
		if err != nil {
			t.Fatalf("curl %q: %v", arguments, err)
		}
		return string(output)
	}
	member := func(document, name string) string {
		_, after, _ := strings.Cut(document, `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	token := member(run("-d", "grant_type=client_credentials", "-d", "client_id="+simulator.DefaultClientID, "-d", "client_secret="+simulator.DefaultClientSecret, in.server.URL+"/identity/oauth/token"), "access_token")
	base, bearer, media := in.server.URL+"/bulk/v1/customobjects/Car_c/export", "Authorization: Bearer "+token, "Content-Type: application/json"
	now := time.Now().UTC()
	body := fmt.Sprintf(`{"fields":["vin","color"],"format":"TSV","columnHeaderNames":{"color":"Color"},"filter":{"updatedAt":{"startAt":%q,"endAt":%q}}}`,
		now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))
	created := run("-H", bearer, "-H", media, "-d", body, base+"/create.json")
	id := member(created, "exportId")
	if member(created, "status") != "Created" || id == "" {
		t.Fatal(created)
	}
	if answer := run("-H", bearer, "-X", "POST", base+"/"+id+"/enqueue.json"); member(answer, "status") != "Queued" {
		t.Error(answer)
	}
	status := run("-H", bearer, base+"/"+id+"/status.json")
	file := filepath.Join(t.TempDir(), "file")
	run("-H", bearer, "-o", file, base+"/"+id+"/file.json")
	if sum, err := exec.Command("sha256sum", file).Output(); err == nil && "sha256:"+strings.Fields(string(sum))[0] != member(status, "fileChecksum") {
		t.Errorf("%s and %s", sum, status)
	}
	if part := run("-H", bearer, "-r", "0-8", base+"/"+id+"/file.json"); part != "vin\tColor" {
		t.Errorf("a part: %q", part)
	}
	if part := run("-H", bearer, "-D", "-", "-r", "4-8", base+"/"+id+"/file.json"); !strings.Contains(part, "206") || !strings.Contains(part, "Content-Range: bytes 4-8/") {
		t.Errorf("headers of a part: %q", part)
	}
	if answer := run("-H", bearer, "-w", "%{http_code} %{content_type}", base+"/nobody/file.json"); !strings.Contains(answer, "404 text/plain") {
		t.Errorf("no such job: %q", answer)
	}
	for _, filter := range []string{`{}`, `{"updatedAt":{},"staticListId":1}`, `{"updatedAt":{"startAt":"2026-01-01T00:00:00.5Z","endAt":"2026-01-02T00:00:00Z"}}`} {
		if answer := run("-H", bearer, "-H", media, "-d", `{"fields":["vin"],"filter":`+filter+`}`, base+"/create.json"); !strings.Contains(answer, `"success":false`) {
			t.Errorf("filter %s: %s", filter, answer)
		}
	}
	if answer := run("-H", bearer, base+".json?status=Completed,Failed"); strings.Count(answer, `"exportId"`) != 1 {
		t.Errorf("jobs: %s", answer)
	}
}

// Some calls of Marketo say that there is nothing with an error.
func TestOwnClientIsToldOfNothing(t *testing.T) {
	in := start(t, simulator.Options{Types: linked})
	c := in.clients()["rest"].(extracting)
	if err := in.Fail(simulator.Rule{Operation: "get", Code: "702"}, simulator.Rule{Operation: "export", Code: "702"}); err != nil {
		t.Fatal(err)
	}
	found, err := c.(interface {
		Query(context.Context, marketo.Query) ([]marketo.Stored, error)
	}).Query(t.Context(), marketo.Query{Type: "Car_c", Key: []string{"vin"}, Keys: [][]marketo.Value{{{Kind: marketo.String, Text: "v0"}}}})
	if err != nil || len(found) != 0 {
		t.Errorf("objects: %v, %v", found, err)
	}
	if jobs, err := c.Extracts(t.Context(), "Car_c"); err != nil || len(jobs) != 0 {
		t.Errorf("jobs: %v, %v", jobs, err)
	}
}
