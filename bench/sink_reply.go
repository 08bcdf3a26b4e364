package main

import (
	"bytes"
	"strconv"
	"sync"
)

// keyField is the name of the dedupe field in every mapping of the benchmark.
// No value of its tables holds it.
const keyField = "rid"

var (
	restRecord = []byte(`{"` + keyField + `":`)

	soapKeyOpen  = []byte("<customObjKeyList>")
	soapKeyClose = []byte("</customObjKeyList>")
	soapTypeOpen = []byte("<objTypeName>")
	soapTypeEnd  = []byte("</objTypeName>")
	soapValue    = []byte("<attrValue>")
)

// countRecords counts the records of a REST body: each begins with its key.
func countRecords(body []byte) int { return bytes.Count(body, restRecord) }

var restReplies = struct {
	sync.Mutex
	of map[[2]int][]byte
}{of: make(map[[2]int][]byte)}

// restReply is the reply to a call of n records, with a status for those from
// the given one on; it is made once.
func restReply(from, n int) []byte {
	restReplies.Lock()
	defer restReplies.Unlock()
	reply, ok := restReplies.of[[2]int{from, n}]
	if ok {
		return reply
	}
	reply = append(reply, `{"requestId":"e42b#14272d07d78","success":true,"result":[`...)
	for i := from; i < n; i++ {
		if i > from {
			reply = append(reply, ',')
		}
		reply = append(reply, `{"seq":`...)
		reply = strconv.AppendInt(reply, int64(i), 10)
		reply = append(reply, `,"status":"created","marketoGUID":"dff23271-f996-47d7-984f-f2676861b5fa"}`...)
	}
	reply = append(reply, `]}`...)
	restReplies.of[[2]int{from, n}] = reply
	return reply
}

const (
	soapReplyOpen = `<?xml version="1.0" encoding="UTF-8"?>` +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body>` +
		`<ns1:successSyncCustomObjects><result><syncCustomObjStatusList>`
	soapReplyClose = `</syncCustomObjStatusList></result></ns1:successSyncCustomObjects></SOAP-ENV:Body></SOAP-ENV:Envelope>`
)

// soapReply appends the reply to a SOAP body: a status with the key of every
// object behind the first ones that are withheld, which is copied from the
// request as it stands. It returns the number of objects.
func soapReply(dst, body []byte, withheld int) ([]byte, int) {
	_, rest, _ := bytes.Cut(body, soapTypeOpen)
	objType, rest, _ := bytes.Cut(rest, soapTypeEnd)
	dst = append(dst, soapReplyOpen...)
	n := 0
	for {
		from := bytes.Index(rest, soapKeyOpen)
		if from < 0 {
			break
		}
		to := bytes.Index(rest[from:], soapKeyClose)
		if to < 0 {
			break
		}
		to += from + len(soapKeyClose)
		if n >= withheld {
			dst = append(dst, "<syncCustomObjStatus><objTypeName>"...)
			dst = append(dst, objType...)
			dst = append(dst, "</objTypeName>"...)
			dst = append(dst, rest[from:to]...)
			dst = append(dst, "<status>CREATED</status></syncCustomObjStatus>"...)
		}
		rest = rest[to:]
		n++
	}
	return append(dst, soapReplyClose...), n
}

// restID finds the next record's key, and returns what follows it.
func restID(body []byte) (int64, []byte, bool) {
	_, rest, ok := bytes.Cut(body, restRecord)
	if !ok {
		return 0, nil, false
	}
	return number(rest)
}

// soapID finds the next object's key, and returns what follows it.
func soapID(body []byte) (int64, []byte, bool) {
	_, rest, ok := bytes.Cut(body, soapKeyOpen)
	if !ok {
		return 0, nil, false
	}
	if _, rest, ok = bytes.Cut(rest, soapValue); !ok {
		return 0, nil, false
	}
	return number(rest)
}

func number(text []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		n = n*10 + int64(text[i]-'0')
		i++
	}
	return n, text[i:], i > 0
}
