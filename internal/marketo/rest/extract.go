package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// bulkPath is where the bulk extract of a type is: not below /rest.
func bulkPath(objectType string) string {
	return "/bulk/v1/customobjects/" + url.PathEscape(objectType) + "/export"
}

// CreateExtract makes a job, which does not begin before EnqueueExtract, and
// returns its ID. It is one counted call, as is each of the others here. The error
// is a *Fault where Marketo answered: 1029 when the bytes of the day are used up or
// too many jobs are queued, 1035 when the plan does not have it.
func (c *Client) CreateExtract(ctx context.Context, e marketo.Extract) (id string, err error) {
	body, err := json.Marshal(map[string]any{
		"fields": e.Fields, "format": "CSV",
		"filter": map[string]any{"updatedAt": map[string]string{
			"startAt": e.From.UTC().Format(time.RFC3339), "endAt": e.To.UTC().Format(time.RFC3339),
		}},
	})
	if err != nil {
		return "", errors.New("create extract: names that JSON cannot carry")
	}
	job, err := c.extractCall(ctx, http.MethodPost, bulkPath(e.Type)+"/create.json", body)
	return job.ID, err
}

// EnqueueExtract has a job begin as soon as there is room.
func (c *Client) EnqueueExtract(ctx context.Context, objectType, id string) error {
	_, err := c.extractCall(ctx, http.MethodPost, bulkPath(objectType)+"/"+url.PathEscape(id)+"/enqueue.json", nil)
	return err
}

// CancelExtract ends a job that has not ended.
func (c *Client) CancelExtract(ctx context.Context, objectType, id string) error {
	_, err := c.extractCall(ctx, http.MethodPost, bulkPath(objectType)+"/"+url.PathEscape(id)+"/cancel.json", nil)
	return err
}

// Extracts returns the jobs of a type that this API user made in seven days. Each
// 300 of them are one counted call. Their statuses change once a minute at most.
func (c *Client) Extracts(ctx context.Context, objectType string) (all []marketo.ExtractJob, err error) {
	for token := ""; ; {
		if err := exchange.Admitted(ctx, c.admit); err != nil {
			return nil, err
		}
		path := bulkPath(objectType) + ".json"
		if token != "" {
			path += "?nextPageToken=" + url.QueryEscape(token)
		}
		var page struct {
			Result []marketo.ExtractJob `json:"result"`
			Next   string               `json:"nextPageToken"`
		}
		if fault := c.whole(ctx, http.MethodGet, path, nil, &page); fault != nil && !none(fault) {
			return nil, fault
		}
		all = append(all, page.Result...)
		if page.Next == "" || len(page.Result) == 0 {
			return all, nil
		}
		if page.Next == token {
			return nil, errors.New("list extracts: Marketo gives one page again and again")
		}
		token = page.Next
	}
}

func (c *Client) extractCall(ctx context.Context, method, path string, body []byte) (marketo.ExtractJob, error) {
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return marketo.ExtractJob{}, err
	}
	buf := exchange.NewBuffer()
	buf.B = append(buf.B, body...)
	var jobs []marketo.ExtractJob
	if fault := c.document(ctx, method, path, buf, &jobs); fault != nil {
		return marketo.ExtractJob{}, fault
	}
	if len(jobs) != 1 || jobs[0].ID == "" {
		return marketo.ExtractJob{}, errors.New("extract custom objects: the answer is not of exactly one job; check what answers at the endpoint")
	}
	return jobs[0], nil
}

// ExtractFile writes the file of a job, from a byte on, and returns how many bytes
// it wrote, also where it broke off: another call goes on there.
func (c *Client) ExtractFile(ctx context.Context, objectType, id string, from int64, to io.Writer) (written int64, err error) {
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return 0, err
	}
	token, fault := c.token(ctx)
	if fault != nil {
		return 0, fault
	}
	header := http.Header{"Accept": {"text/csv, application/json"}, "Authorization": {"Bearer " + token}}
	if from > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	request := exchange.Request{Method: http.MethodGet, URL: c.base + bulkPath(objectType) + "/" + url.PathEscape(id) + "/file.json", Header: header}
	a, fault := c.exchange.Stream(ctx, request, func(a exchange.Answer) io.Writer {
		whole := a.Status == http.StatusOK && from == 0
		part := a.Status == http.StatusPartialContent && from > 0
		if (whole || part) && !isJSON(a.Header) {
			return &counted{to, &written}
		}
		return nil
	})
	if fault != nil {
		return written, fault
	}
	if a.Buf == nil {
		return written, nil
	}
	defer a.Buf.Release()
	if fault := c.judge(a, token, nil, func(body []byte) (*restError, error) {
		failed, err := readRESTEnvelope(body, (*jsonReader).skip)
		if failed == nil && err == nil {
			err = errors.New("it is no file")
		}
		return failed, err
	}); fault != nil {
		return 0, fault
	}
	return 0, nil
}

func isJSON(h http.Header) bool {
	return bytes.Contains([]byte(h.Get("Content-Type")), []byte("json"))
}

// counted counts what is written.
type counted struct {
	to    io.Writer
	count *int64
}

func (w *counted) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	*w.count += int64(n)
	return n, err
}
