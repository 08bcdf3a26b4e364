package soap

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
)

const (
	envelopeOpen  = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SOAP-ENV:Body>`
	envelopeClose = `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
	syncOpen      = `<ns1:successSyncCustomObjects><result><syncCustomObjStatusList>`
	syncClose     = `</syncCustomObjStatusList></result></ns1:successSyncCustomObjects>`
	aFault        = `<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>20110 - Bad parameter</faultstring><detail><ns1:serviceException><name>mktServiceException</name><message>Bad parameter</message><code>20110</code></ns1:serviceException></detail></SOAP-ENV:Fault>`
)

var twoKeys = &marketo.Shape{Type: "RoadShow", Key: []string{"MKTOID", "rid"}, Attributes: []string{"city"}}

// rows is a batch of n objects with the keys {1000+i, "r"i}.
func rows(n int, op marketo.Operation) *marketo.Batch {
	b := &marketo.Batch{Type: "RoadShow", Operation: op}
	for i := range n {
		b.Objects = append(b.Objects, marketo.NewObject(twoKeys, []marketo.Value{
			{Kind: marketo.Number, Text: fmt.Sprint(1000 + i)}, {Kind: marketo.String, Text: fmt.Sprintf("r%d", i)}, {Kind: marketo.String, Text: "city"},
		}))
	}
	return b
}

// entry is a status for object i of rows, as Marketo writes it.
func entry(i int, status string) string {
	return keyed(fmt.Sprint(1000+i), fmt.Sprintf("r%d", i), status)
}

func keyed(lead, rid, status string) string {
	return `<syncCustomObjStatus><objTypeName>Roadshow</objTypeName><customObjKeyList>` +
		`<attribute><attrName>MKTOID</attrName><attrType xsi:nil="true"/><attrValue>` + lead + `</attrValue></attribute>` +
		`<attribute><attrName>rid</attrName><attrType xsi:nil="true"/><attrValue>` + rid + `</attrValue></attribute>` +
		`</customObjKeyList><status>` + status + `</status><error xsi:nil="true"/></syncCustomObjStatus>`
}

func soapReply(entries ...string) string {
	return envelopeOpen + syncOpen + strings.Join(entries, "\n") + syncClose + envelopeClose
}

// outcomes writes results as one letter each: c, r, w, j(reject), ?.
func outcomes(results []marketo.Result) string {
	s := make([]byte, len(results))
	for i, r := range results {
		s[i] = "?crwj"[r.Outcome]
	}
	return string(s)
}

func TestSOAPStatuses(t *testing.T) {
	for _, tt := range []struct {
		word   string
		status marketo.Status
		want   string // for upsert, insert, update, delete
	}{
		{"CREATED", marketo.Created, "cc??"},
		{"UPDATED", marketo.Updated, "c?c?"},
		{"UNCHANGED", marketo.Unchanged, "cccc"},
		{"SKIPPED", marketo.Skipped, "jccj"},
		{"FAILED", marketo.Failed, "jjjj"},
		{"DELETED", marketo.Deleted, "???c"},
		{"Created", marketo.NoStatus, "????"},
		{" CREATED", marketo.NoStatus, "????"},
		{"DONE", marketo.NoStatus, "????"},
		{"", marketo.NoStatus, "????"},
	} {
		for op, want := range tt.want {
			op := marketo.Operation(op)
			body := soapReply(entry(0, tt.word))
			if op == marketo.Delete {
				body = strings.NewReplacer("successSyncCustomObjects", "successDeleteCustomObjects", "syncCustomObjStatusList", "deleteCustomObjStatusList").Replace(body)
			}
			got, fault, err := readReply([]byte(body), rows(1, op))
			if err != nil || fault != nil || outcomes(got) != string(want) || got[0].Status != tt.status {
				t.Errorf("%s of %q: %v, fault %v, error %v, want %c with status %v", op, tt.word, got, fault, err, want, tt.status)
			}
		}
	}
}

// Replies of which a part counts.
func TestSOAPMatching(t *testing.T) {
	created := func(keys ...string) string { return keyed(keys[0], keys[1], "CREATED") }
	for _, tt := range []struct {
		name, body, want string
	}{
		{"all in order", soapReply(entry(0, "CREATED"), entry(1, "UPDATED"), entry(2, "UNCHANGED")), "ccc"},
		{"in another order", soapReply(entry(2, "CREATED"), entry(0, "FAILED"), entry(1, "UPDATED")), "jcc"},
		{"one missing", soapReply(entry(0, "CREATED"), entry(2, "CREATED")), "c?c"},
		{"none", soapReply(), "???"},
		{"an empty list", envelopeOpen + strings.Replace(syncOpen, "<syncCustomObjStatusList>", "<syncCustomObjStatusList/>", 1) + `</result></ns1:successSyncCustomObjects>` + envelopeClose, "???"},
		{"doubled with the same word", soapReply(entry(0, "CREATED"), entry(1, "CREATED"), entry(0, "CREATED")), "?c?"},
		{"doubled, contradicting", soapReply(entry(0, "FAILED"), entry(0, "CREATED"), entry(2, "CREATED")), "??c"},
		{"three times", soapReply(entry(1, "CREATED"), entry(1, "CREATED"), entry(1, "CREATED")), "???"},
		{"a foreign key in the place of one", soapReply(entry(0, "CREATED"), entry(9, "CREATED"), entry(2, "CREATED")), "c?c"},
		{"a foreign key besides", soapReply(entry(9, "CREATED"), entry(0, "CREATED"), entry(1, "CREATED"), entry(2, "CREATED")), "ccc"},
		{"an unknown word", soapReply(entry(0, "CREATED"), entry(1, "ACCEPTED"), entry(2, "CREATED")), "c?c"},
		{"keys mixed up", soapReply(created("1000", "r1"), created("1001", "r0")), "???"},
		{"values with space", soapReply(created(" 1000", "r0"), created("1001", "r1 "), entry(2, "CREATED")), "??c"},
		{"values in another case", soapReply(created("1000", "R0"), entry(1, "CREATED")), "?c?"},
		{"a number written otherwise", soapReply(created("1000.0", "r0"), created("01001", "r1"), created("1,002", "r2")), "???"},
		{"values escaped, in CDATA, cut by comments", soapReply(created("&#49;000", "<![CDATA[r0]]>"), created("10<!-- - -->01", "r1"), created("1<![CDATA[00]]>2", "&#x72;2")), "ccc"},
		{"another type", soapReply(strings.Replace(entry(0, "CREATED"), "Roadshow", "Visits", 1), entry(1, "CREATED")), "?c?"},
		{"no type", soapReply(strings.Replace(entry(0, "CREATED"), "<objTypeName>Roadshow</objTypeName>", "", 1), entry(1, "CREATED")), "?c?"},
		{"no key", soapReply(`<syncCustomObjStatus><objTypeName>RoadShow</objTypeName><status>CREATED</status></syncCustomObjStatus>`), "???"},
		{"half a key", soapReply(`<syncCustomObjStatus><objTypeName>RoadShow</objTypeName><customObjKeyList><attribute><attrName>MKTOID</attrName><attrValue>1000</attrValue></attribute></customObjKeyList><status>CREATED</status></syncCustomObjStatus>`), "???"},
		{"one key name twice", soapReply(strings.Replace(created("1000", "1000"), "rid", "MKTOID", 1)), "???"},
		{"a key and more", soapReply(strings.Replace(entry(0, "CREATED"), "</customObjKeyList>", "<attribute><attrName>x</attrName><attrValue>1</attrValue></attribute></customObjKeyList>", 1)), "???"},
		{"names in another case", soapReply(strings.Replace(entry(0, "CREATED"), "MKTOID", "mktoId", 1)), "c??"},
		{"key attributes in another order", soapReply(`<syncCustomObjStatus><objTypeName>ROADSHOW</objTypeName><customObjKeyList><attribute><attrName>rid</attrName><attrValue>r1</attrValue></attribute><attribute><attrName>MKTOID</attrName><attrValue>1001</attrValue></attribute></customObjKeyList><status>UPDATED</status></syncCustomObjStatus>`), "?c?"},
		{"unknown elements besides", soapReply(strings.Replace(entry(0, "CREATED"), "<status>", "<stamp><deep>x</deep><!-- c --></stamp><empty/><status>", 1)), "c??"},
		{"a header, a comment, a byte order mark, spaces", "\xEF\xBB\xBF" + strings.Replace(soapReply(entry(0, "CREATED")), "<SOAP-ENV:Body>", "<SOAP-ENV:Header><a b='1'>t</a></SOAP-ENV:Header>\n<!-- c --><SOAP-ENV:Body >", 1) + "\n<!-- end -->\n", "c??"},
		{"Marketo's namespace throughout", strings.NewReplacer("<ns1:success", `<success`, "</ns1:", "</", "CustomObjects>", `CustomObjects>`).Replace(strings.Replace(soapReply(entry(0, "CREATED")), "<ns1:successSyncCustomObjects>", `<successSyncCustomObjects xmlns="http://www.marketo.com/mktows/">`, 1)), "c??"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, fault, err := readReply([]byte(tt.body), rows(3, marketo.Upsert))
			if err != nil || fault != nil || outcomes(got) != tt.want {
				t.Errorf("%s, fault %v, error %v, want %s", outcomes(got), fault, err, tt.want)
			}
		})
	}
}

// Replies of which nothing counts: not exactly one answer.
func TestSOAPRefuses(t *testing.T) {
	good := soapReply(entry(0, "CREATED"))
	in := replacing(t, good)
	refused(t, map[string]string{
		"empty":                    "",
		"blank":                    " \n",
		"HTML":                     "<html><body><p>Bad Gateway<br></body></html>",
		"JSON":                     `{"success":true}`,
		"two documents":            good + good,
		"text behind it":           good + "x",
		"an element behind it":     good + "<a/>",
		"text before it":           "x" + good,
		"success and fault":        in(syncClose, syncClose+aFault),
		"fault and success":        in("<ns1:success", aFault+"<ns1:success"),
		"two successes":            in(syncClose, syncClose+syncOpen+syncClose),
		"two faults":               envelopeOpen + aFault + aFault + envelopeClose,
		"two bodies":               in("</SOAP-ENV:Body>", "</SOAP-ENV:Body><SOAP-ENV:Body>"+aFault+"</SOAP-ENV:Body>"),
		"no body":                  strings.ReplaceAll(good, "SOAP-ENV:Body", "SOAP-ENV:Header"),
		"an empty body":            envelopeOpen + envelopeClose,
		"two results":              in("</result>", "</result><result><syncCustomObjStatusList/></result>"),
		"no result":                envelopeOpen + "<ns1:successSyncCustomObjects/>" + envelopeClose,
		"two lists":                in("</syncCustomObjStatusList>", "</syncCustomObjStatusList><syncCustomObjStatusList/>"),
		"no list":                  envelopeOpen + "<ns1:successSyncCustomObjects><result/></ns1:successSyncCustomObjects>" + envelopeClose,
		"another call's success":   strings.ReplaceAll(good, "successSyncCustomObjects", "successDeleteCustomObjects"),
		"success of no namespace":  strings.ReplaceAll(good, "ns1:success", "success"),
		"success of another":       in(`xmlns:ns1="http://www.marketo.com/mktows/"`, `xmlns:ns1="http://www.marketo.com/mktows"`),
		"SOAP 1.2":                 in("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
		"a prefix for nothing":     in(`xmlns:ns1="http://www.marketo.com/mktows/"`, ""),
		"two statuses in an entry": in("</status>", "</status><status>CREATED</status>"),
		"FAILED and CREATED":       in("<status>", "<status>FAILED</status><status>"),
		"no status in an entry":    in("<status>CREATED</status>", ""),
		"two key lists":            in("<status>", "<customObjKeyList/><status>"),
		"two types":                in("<status>", "<objTypeName>RoadShow</objTypeName><status>"),
		"two errors":               in("<status>", "<error/><status>"),
		"two values of a key":      in("<attrValue>1000</attrValue>", "<attrValue>1000</attrValue><attrValue>1000</attrValue>"),
		"no value of a key":        in("<attrValue>1000</attrValue>", ""),
		"an element in the status": in("CREATED", "<b>CREATED</b>"),
		"text beside elements":     in("<status>", "x<status>"),
	})
}

// Replies of which nothing counts: not the XML that we accept.
func TestSOAPRefusesXML(t *testing.T) {
	in := replacing(t, soapReply(entry(0, "CREATED")))
	refused(t, map[string]string{
		"DOCTYPE":                   in("<SOAP-ENV:Envelope", `<!DOCTYPE a [<!ENTITY x "CREATED">]><SOAP-ENV:Envelope`),
		"DOCTYPE for a file":        in("<SOAP-ENV:Envelope", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><SOAP-ENV:Envelope`),
		"an entity":                 in("CREATED", "&x;"),
		"an HTML entity":            in("CREATED", "&nbsp;CREATED"),
		"a bare ampersand":          in("CREATED", "CREATED & more"),
		"a processing instruction":  in("<SOAP-ENV:Body>", "<?php x?><SOAP-ENV:Body>"),
		"a stylesheet":              in("?>", `?><?xml-stylesheet href="x"?>`),
		"a second declaration":      in("<SOAP-ENV:Body>", `<?xml version="1.0"?><SOAP-ENV:Body>`),
		"XML 1.1":                   in(`version="1.0"`, `version="1.1"`),
		"another encoding":          in("UTF-8", "ISO-8859-1"),
		"UTF-16":                    "\xFF\xFE<\x00",
		"not UTF-8":                 in("Roadshow", "Road\xFFshow"),
		"U+0000":                    in("Roadshow", "Road\x00show"),
		"U+0001":                    in("Roadshow", "Road\x01show"),
		"U+FFFF":                    in("Roadshow", "Road\uFFFFshow"),
		"a reference to U+0000":     in("Roadshow", "Road&#0;show"),
		"a reference to a half":     in("Roadshow", "Road&#xD800;show"),
		"a reference out of range":  in("Roadshow", "Road&#x110000;show"),
		"]]> in text":               in("Roadshow", "Road]]>show"),
		"wrong nesting":             in("</customObjKeyList><status>", "<status></customObjKeyList>"),
		"an end without start":      in("</status>", "</status></status>"),
		"end tags of a longer name": in("</status>", "</statuses>"),
		"an attribute twice":        in("<status>", `<status a="1" a="2">`),
		"an attribute without room": in("<status>", `<status a="1"b="2">`),
		"an attribute unquoted":     in("<status>", `<status a=1>`),
		"a < in an attribute":       in("<status>", `<status a="<">`),
		"too many attributes":       in("<status>", "<status"+attributes(65)+">"),
		"a comment with --":         in("<status>", "<!-- -- --><status>"),
		"nested too deeply":         in("<status>", strings.Repeat("<a>", 60)+strings.Repeat("</a>", 60)+"<status>"),
		"two million levels":        strings.Repeat("<a>", 1<<20),
		"two megabytes of text":     in("CREATED", strings.Repeat("A", 2<<20)+"<"),
	})
}

// replacing returns a function that spoils one place of a good reply.
func replacing(t *testing.T, good string) func(old, new string) string {
	t.Helper()
	if got, fault, err := readReply([]byte(good), rows(1, marketo.Upsert)); err != nil || fault != nil || outcomes(got) != "c" {
		t.Fatalf("the reply that the others are made of: %v, fault %v, error %v", got, fault, err)
	}
	return func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(good, old, new, 1)
	}
}

func refused(t *testing.T, bodies map[string]string) {
	t.Helper()
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			if got, fault, err := readReply([]byte(body), rows(1, marketo.Upsert)); err == nil || got != nil || fault != nil {
				t.Errorf("accepted: %v, fault %v", got, fault)
			}
		})
	}
}

func attributes(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, " a%d='1'", i)
	}
	return s.String()
}

// What is at the limit is still read.
func TestSOAPWithinLimits(t *testing.T) {
	body := strings.Replace(soapReply(entry(0, "CREATED")), "<status>", strings.Repeat("<a>", 58)+strings.Repeat("</a>", 58)+"<status"+attributes(64)+">", 1)
	if got, _, err := readReply([]byte(body), rows(1, marketo.Upsert)); err != nil || outcomes(got) != "c" {
		t.Errorf("%v, error %v, want it accepted", got, err)
	}
}

func TestSOAPFaultReply(t *testing.T) {
	const detail = `<detail><ns1:serviceException><name>mktServiceException</name><message>Bad parameter</message><code>20110</code></ns1:serviceException></detail>`
	for _, tt := range []struct {
		name, fault, code, text string
		ok                      bool
	}{
		{"as Marketo writes it", aFault, "20110", "Bad parameter", true},
		{"without a detail", strings.Replace(aFault, detail, "", 1), "", "20110 - Bad parameter", true},
		{"with a code that is none", strings.Replace(aFault, "<code>20110", "<code>see the message", 1), "", "Bad parameter", true},
		{"with two codes", strings.Replace(aFault, "</code>", "</code><code>20014</code>", 1), "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, fault, err := readReply([]byte(envelopeOpen+tt.fault+envelopeClose), rows(1, marketo.Upsert))
			if got != nil || (err == nil) != tt.ok {
				t.Fatalf("%v, error %v, want accepted=%v", got, err, tt.ok)
			}
			if tt.ok && (fault.code != tt.code || string(fault.text) != tt.text) {
				t.Errorf("code %q, text %q, want %q, %q", fault.code, fault.text, tt.code, tt.text)
			}
		})
	}
}

func TestSOAPMessage(t *testing.T) {
	body := soapReply(strings.Replace(entry(0, "FAILED"), `<error xsi:nil="true"/>`, "<error>Unknown name attribute list: nameasdf &amp; "+strings.Repeat("é", 400)+"</error>", 1))
	got, _, err := readReply([]byte(body), rows(1, marketo.Upsert))
	if err != nil || !strings.HasPrefix(got[0].Message, "Unknown name attribute list: nameasdf & é") {
		t.Fatalf("message %q, error %v", got[0].Message, err)
	}
	if n := len(got[0].Message); n > 500 || n < 498 || strings.ContainsRune(got[0].Message, '\uFFFD') {
		t.Errorf("message of %d bytes, want it cut at 500 between characters", n)
	}
}

// A reply that is cut anywhere confirms nothing.
func TestSOAPCut(t *testing.T) {
	whole := soapReply(entry(0, "CREATED"), entry(1, "FAILED"), entry(2, "UPDATED"))
	for n := range len(whole) {
		if got, fault, err := readReply([]byte(whole[:n]), rows(3, marketo.Upsert)); err == nil || got != nil || fault != nil {
			t.Fatalf("cut after %d bytes: %v, fault %v, want an error", n, got, fault)
		}
	}
}

// The order of the statuses never matters.
func TestSOAPPermutations(t *testing.T) {
	const n = 50
	words := []string{"CREATED", "UPDATED", "UNCHANGED", "FAILED", "NONSENSE", "SKIPPED"}
	entries, want := make([]string, n), make([]byte, n)
	for i := range n {
		entries[i], want[i] = entry(i, words[i%6]), "cccj?j"[i%6]
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		rng.Shuffle(n, func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		got, _, err := readReply([]byte(soapReply(entries...)), rows(n, marketo.Upsert))
		if err != nil || outcomes(got) != string(want) {
			t.Fatalf("seed %d: %s, error %v, want %s", seed, outcomes(got), err, want)
		}
	}
}

// Whatever comes back: no panic, nothing but what was sent is settled, and
// whatever is settled stands in a document that encoding/xml reads too, with
// as many statuses as were settled.
func FuzzSOAPReply(f *testing.F) {
	f.Add([]byte(soapReply(entry(0, "CREATED"), entry(1, "FAILED"))))
	f.Add([]byte(envelopeOpen + aFault + envelopeClose))
	f.Add([]byte(soapReply(keyed("&#49;000", "<![CDATA[r0]]>", "CRE<!-- -->ATED"))))
	f.Add([]byte(`<a xmlns="x" b='&lt;'><b/>]]&gt;</a>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, fault, err := readReply(body, rows(3, marketo.Upsert))
		if want, _, wantErr := carefully(body, rows(3, marketo.Upsert)); !slices.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("scanned %v, error %v; read %v, error %v", got, err, want, wantErr)
		}
		if err != nil || fault != nil {
			if got != nil {
				t.Fatalf("results beside an error: %v", got)
			}
			return
		}
		if len(got) != 3 {
			t.Fatalf("%d results, want 3", len(got))
		}
		settled := 0
		for _, r := range got {
			if r.Outcome != marketo.Unknown {
				settled++
			}
		}
		if statuses, err := statusesOf(body); err != nil || statuses < settled {
			t.Fatalf("%d objects settled by a document that encoding/xml reads as %d statuses, error %v", settled, statuses, err)
		}
	})
}

func statusesOf(body []byte) (n int, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "status" {
			n++
		}
	}
}

// carefully is readSOAPReply without its shortcut.
func carefully(body []byte, b *marketo.Batch) ([]marketo.Result, *soapFault, error) {
	call := callOf(b.Operation)
	m := newMatcher(b)
	fault, err := readEnvelope(body, call.success, func(r *xmlReader) {
		r.careful = true
		readResult(r, call.list, m)
	})
	if err != nil || fault != nil {
		return nil, fault, err
	}
	return m.results, nil, nil
}

// usually writes an entry as the scanner wants it, with parts in the places
// where it looks.
func usually(typ, name, value, after, status, end string) string {
	return "<syncCustomObjStatus><objTypeName>" + typ + "</objTypeName><customObjKeyList><attribute><attrName>MKTOID</attrName>" +
		`<attrType xsi:nil="true"/><attrValue>1000</attrValue></attribute><attribute><attrName>` + name + "</attrName><attrValue>" + value +
		"</attrValue></attribute>" + after + "</customObjKeyList><status>" + status + "</status>" + end + "</syncCustomObjStatus>"
}

// The scanner takes the usual reply, and makes no difference to any.
func FuzzSOAPScan(f *testing.F) {
	f.Add("RoadShow", "rid", "r0", "", "CREATED", `<error xsi:nil="true"/>`)
	f.Add("RoadShow", "rid", "r0", "", "CREATED", "<error></error>")
	f.Add("RoadShow", "rid", "r&#48;", "", "CREATED", "<error>no</error>")
	f.Add("RoadShow", "rid", "r0</attrValue><attrValue>r1", "", "CREATED", "<error/><error/>")
	f.Add("RoadShow", "rid</attrName><attrType/><attrName>x", "]]>", " ", "<![CDATA[CREATED]]>", "<!-- -->")
	f.Add("RoadShow", "rid", "r0", "<attribute><attrName>a</attrName></attribute>", "CREATED", "<status>FAILED</status>")
	f.Add("RoadShow", "rid", "r0\r\n", "<attribute><attrName>a</attrName><attrType></attrType><attrValue/></attribute>", "CREATED", "<attrType")
	f.Fuzz(func(t *testing.T, typ, name, value, after, status, end string) {
		for _, open := range []string{envelopeOpen, strings.Replace(envelopeOpen, "xmlns:xsi", "xmlns", 1)} {
			one := usually(typ, name, value, after, status, end)
			body := []byte(open + syncOpen + entry(1, "CREATED") + one + " " + entry(2, "FAILED") + syncClose + envelopeClose)
			got, fault, err := readReply(body, rows(3, marketo.Upsert))
			want, wantFault, wantErr := carefully(body, rows(3, marketo.Upsert))
			if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) || (fault == nil) != (wantFault == nil) {
				t.Fatalf("%s\nscanned %v, fault %v, error %v\nread    %v, fault %v, error %v", body, got, fault, err, want, wantFault, wantErr)
			}
		}
	})
}

// What the scanner is for: it takes every entry as Marketo writes it.
func TestSOAPScanTakes(t *testing.T) {
	for _, body := range []string{
		entry(0, "CREATED"),
		"\n\t" + keyed("1", "2", "FAILED"),
		usually("RoadShow", "rid", "r0", "", "CREATED", ""),
		usually("RoadShow", "rid", "r0", "", "CREATED", "<error/>"),
	} {
		r := new(xmlReader)
		r.begin([]byte("<list>" + body + "</list>"))
		r.child()
		var e soapStatus
		if !e.scan(r) || len(e.names) != 2 || len(e.values) != 2 || len(e.status) == 0 || r.markup() != '/' {
			t.Errorf("%s: not taken, or not all of it", body)
		}
	}
}

func BenchmarkSOAPReply(b *testing.B) {
	batch, entries := rows(100, marketo.Upsert), []string{}
	for i := range 100 {
		entries = append(entries, entry(i, "CREATED"))
	}
	body := []byte(soapReply(entries...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := readReply(body, batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSOAPEncode(b *testing.B) {
	batch, enc, dst := rows(100, marketo.Upsert), new(encoder), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		var valid bool
		if dst, valid = enc.appendBody(dst[:0], batch); !valid {
			b.Fatal("not XML")
		}
	}
	b.SetBytes(int64(len(dst)))
}
