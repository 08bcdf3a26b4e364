package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// rest is the dialect of REST answers.
type rest struct{ sim *Simulator }

var requests atomic.Uint64

// requestID is unique in the process; Marketo's look like "e42b#14272d07d78".
func requestID() string { return "sim#" + strconv.FormatUint(requests.Add(1), 16) }

func (rest) success(body []byte) *reply {
	return &reply{status: http.StatusOK, contentType: "application/json;charset=UTF-8", body: body}
}

// fault answers a refused call: HTTP 200 with errors, or a bare status.
func (d rest) fault(f *fault) *reply {
	switch {
	case f.status != 0 && !strings.HasPrefix(f.code, "4"):
		return identityFault(f)
	case f.status != 0:
		return &reply{status: f.status, contentType: "text/html", body: htmlPage(f.message)}
	}
	body := append([]byte(`{"requestId":"`), requestID()...)
	body = append(body, `","success":false,"errors":[`...)
	body = appendReason(body, &problem{f.code, f.message})
	return d.success(append(body, "]}"...))
}

func appendReason(dst []byte, p *problem) []byte {
	for i, text := range [...]string{p.code, p.message} {
		quoted, err := json.Marshal(text)
		if err != nil { // not for a string
			quoted = []byte(`""`)
		}
		dst = append(dst, [...]string{`{"code":`, `,"message":`}[i]...)
		dst = append(dst, quoted...)
	}
	return append(dst, '}')
}

// statuses answers a sync or delete call. REST has no word for failed and
// none for unchanged.
func (d rest) statuses(req *request, lines []line) *reply {
	name := req.table.schema.Load().name
	body := make([]byte, 0, 128+len(lines)*96)
	body = append(append(body, `{"requestId":"`...), requestID()...)
	body = append(body, `","success":true,"result":[`...)
	for i := range lines {
		if i > 0 {
			body = append(body, ',')
		}
		body = d.appendResult(body, name, &lines[i])
	}
	return d.success(append(body, "]}"...))
}

func (rest) appendResult(dst []byte, typeName string, l *line) []byte {
	seq := l.place
	if l.foreign {
		seq += 1000
	}
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, int64(seq), 10)
	dst = append(dst, `,"status":"`...)
	status, skipped := strings.ToLower(l.status), false
	switch l.status {
	case statusUnchanged:
		status, skipped = "updated", l.problem != nil
	case statusSkipped, statusFailed:
		skipped = true
	}
	if skipped {
		dst = append(dst, `skipped","reasons":[`...)
		return append(appendReason(dst, l.problem), "]}"...)
	}
	dst = append(append(dst, status...), `","marketoGUID":"`...)
	return append(appendGUID(dst, typeName, l.key), `"}`...)
}
