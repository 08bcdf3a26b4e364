package marketo_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

// A reply's size counts after decompression.
func TestGzipBomb(t *testing.T) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	block := []byte(strings.Repeat(" ", 1<<20))
	for range 24 {
		_, _ = z.Write(block)
	}
	_ = z.Close()
	bomb := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
	each(t, http.HandlerFunc(bomb), func(t *testing.T, c marketo.Client) {
		f := c.Sync(t.Context(), single()).Fault
		if f == nil || f.Class != marketo.FaultUnknown || f.Code != "reply" || !strings.Contains(f.Message, "larger") {
			t.Errorf("fault %v, want class unknown, code reply", f)
		}
	})
}

// Compressed replies of a sensible size are read.
func TestGzip(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, listReply)
		_ = z.Close()
	}))
	if err := soapAt(t, url).Login(t.Context()); err != nil {
		t.Errorf("Login: %v", err)
	}
}

func TestReplyLimit(t *testing.T) {
	for _, tt := range []struct {
		limit int
		ok    bool
	}{{len(listReply), true}, {len(listReply) - 1, false}} {
		c, err := soap.New(soap.Config{
			Endpoint: serve(t, &recorder{reply: respond(200, "text/xml", listReply)}), User: userID, Secret: literally(secret), ReplyLimit: tt.limit,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context()); (err == nil) != tt.ok {
			t.Errorf("limit %d for %d bytes: %v, want accepted=%v", tt.limit, len(listReply), err, tt.ok)
		}
		c.Close()
	}
}

// Many calls at once share nothing that they should not: every body arrives
// whole. Under the race detector this also watches the pools.
func TestConcurrentCalls(t *testing.T) {
	url := serve(t, withTokens(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		key := string(body[strings.Index(string(body), "KEY"):][:6])
		if strings.Contains(r.Header.Get("Content-Type"), "xml") {
			_, _ = io.WriteString(w, statusReply(key))
			return
		}
		_, _ = io.WriteString(w, accepts(""))
	})))
	shape := &marketo.Shape{Type: "T", Key: []string{"k"}, Attributes: []string{"v"}}
	for name, c := range map[string]marketo.Client{"soap": soapAt(t, url), "rest": restAt(t, url)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for g := range 8 {
				t.Run(fmt.Sprint(g), func(t *testing.T) {
					t.Parallel()
					for i := range 20 {
						key := fmt.Sprintf("KEY%03d", g*20+i)
						b := &marketo.Batch{Type: "T", Objects: []marketo.Object{object(shape, str(key), str(strings.Repeat("x", i*100)))}}
						if r := c.Sync(t.Context(), b); r.Fault != nil || r.Results[0].Outcome != marketo.Confirmed {
							t.Errorf("%s: %+v, want it confirmed", key, r)
						}
					}
				})
			}
		})
	}
}

func statusReply(key string) string {
	return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><m:successSyncCustomObjects xmlns:m="http://www.marketo.com/mktows/"><result><syncCustomObjStatusList>` +
		`<syncCustomObjStatus><objTypeName>t</objTypeName><customObjKeyList><attribute><attrName>k</attrName><attrValue>` + key + `</attrValue></attribute></customObjKeyList><status>CREATED</status></syncCustomObjStatus>` +
		`</syncCustomObjStatusList></result></m:successSyncCustomObjects></e:Body></e:Envelope>`
}
