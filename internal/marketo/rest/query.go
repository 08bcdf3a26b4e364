package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// mostKeys is the most objects that one query names, and the most on one page.
const mostKeys = 300

// MostKeys is how many keys a Query may have.
func (c *Client) MostKeys() int { return mostKeys }

// Query returns what Marketo has of up to MostKeys objects. It is one counted
// call, and one more for each further page, which only keys that stand for several
// objects bring. The error is a *Fault where Marketo answered, and ErrUnaskable with
// what was found where it could not be asked for some.
func (c *Client) Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error) {
	if len(q.Keys) > mostKeys || len(q.Key) == 0 {
		return nil, fmt.Errorf("query custom objects: %d keys of %d fields in one call", len(q.Keys), len(q.Key))
	}
	listable := func(key []marketo.Value) bool { return len(key) > 1 || marketo.Listable(key[0].Text) }
	if len(q.Key) > 1 || !slices.ContainsFunc(q.Keys, func(key []marketo.Value) bool { return !listable(key) }) {
		return c.queryPages(ctx, &q)
	}
	// Marketo documents the form that names every field for several fields only.
	var refused error
	if !c.listed.Load() {
		all, err := c.queryPages(ctx, &q)
		var fault *marketo.Fault
		if !errors.As(err, &fault) || fault.Class != marketo.FaultRefused {
			return all, err
		}
		c.listed.Store(true)
		refused = err
	}
	q.Keys = slices.DeleteFunc(slices.Clone(q.Keys), func(key []marketo.Value) bool { return !listable(key) })
	all, err := c.queryPages(ctx, &q)
	return all, cmp.Or(err, errors.Join(marketo.ErrUnaskable, refused))
}

// queryPages asks for all pages.
func (c *Client) queryPages(ctx context.Context, q *marketo.Query) (all []marketo.Stored, err error) {
	if len(q.Keys) == 0 {
		return nil, nil
	}
	for token := ""; ; {
		if err := exchange.Admitted(ctx, c.admit); err != nil {
			return nil, err
		}
		page, next, err := c.queryPage(ctx, q, token)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		if next == token || len(page) == 0 {
			return nil, errors.New("query custom objects: Marketo gives one page again and again")
		}
		token = next
	}
}

// queried is one page of an answer.
type queried struct {
	Result []map[string]any `json:"result"`
	More   bool             `json:"moreResult"`
	Next   string           `json:"nextPageToken"`
}

func (c *Client) queryPage(ctx context.Context, q *marketo.Query, token string) ([]marketo.Stored, string, error) {
	buf := exchange.NewBuffer()
	media := "application/json"
	if named, ok := byName(q, token); ok {
		buf.B, media = append(buf.B, named...), "application/x-www-form-urlencoded"
	} else {
		body, err := byBody(q, token)
		if err != nil {
			buf.Release()
			return nil, "", err
		}
		buf.B = append(buf.B, body...)
	}
	var page queried
	reply := c.callAs(ctx, http.MethodPost, typePath(q.Type)+".json?_method=GET", media, buf, nil, func(body []byte) (*restError, error) {
		failed, err := readRESTEnvelope(body, (*jsonReader).skip)
		if failed != nil || err != nil {
			return failed, err
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&page); err != nil {
			return nil, errors.New("its fields have other types")
		}
		return nil, nil
	})
	if none(reply.Fault) {
		return nil, "", nil
	}
	if reply.Fault != nil {
		return nil, "", reply.Fault
	}
	all := make([]marketo.Stored, len(page.Result))
	for i, record := range page.Result {
		all[i] = storedOf(q, record)
	}
	if !page.More {
		page.Next = ""
	}
	return all, page.Next, nil
}

// none reports whether a fault is Marketo's word that it has nothing of what was asked
// for: some calls answer so, and others with an empty result.
func none(f *marketo.Fault) bool { return f != nil && f.Code == "702" }

// asked are the fields that are asked for: those of the key always, as an answer
// could not be told apart without them.
func asked(q *marketo.Query) []string {
	return append([]string{"marketoGUID", "createdAt", "updatedAt"}, q.Names()...)
}

// byName is the form of a query with one field and a list of its values, which
// cannot have a value with a comma.
func byName(q *marketo.Query, token string) ([]byte, bool) {
	if len(q.Key) != 1 {
		return nil, false
	}
	values := make([]string, len(q.Keys))
	for i, key := range q.Keys {
		if values[i] = key[0].Text; !marketo.Listable(values[i]) {
			return nil, false
		}
	}
	form := url.Values{
		"filterType": {"dedupeFields"}, "filterValues": {strings.Join(values, ",")},
		"fields": {strings.Join(asked(q), ",")}, "batchSize": {strconv.Itoa(mostKeys)},
	}
	if token != "" {
		form.Set("nextPageToken", token)
	}
	return []byte(form.Encode()), true
}

// byBody is the form that names every field of every key.
func byBody(q *marketo.Query, token string) ([]byte, error) {
	input := make([]map[string]any, len(q.Keys))
	for i, key := range q.Keys {
		input[i] = make(map[string]any, len(key))
		for j, v := range key {
			input[i][q.Key[j]] = jsonOf(v)
		}
	}
	body := map[string]any{"filterType": "dedupeFields", "fields": asked(q), "batchSize": mostKeys, "input": input}
	if token != "" {
		body["nextPageToken"] = token
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("query custom objects: a key that JSON cannot carry")
	}
	return text, nil
}

func jsonOf(v marketo.Value) any {
	switch {
	case v.Kind == marketo.Number && isLiteral(v.Kind, v.Text):
		return json.Number(v.Text)
	case v.Kind == marketo.Boolean:
		return v.Text == "true"
	}
	return v.Text
}

// storedOf reads a record. Names keep their case in Marketo's answers, or not.
func storedOf(q *marketo.Query, record map[string]any) marketo.Stored {
	text := func(name string) string { s, _ := record[name].(string); return s }
	s := marketo.Stored{GUID: text("marketoGUID"), Created: text("createdAt"), Updated: text("updatedAt")}
	names := q.Names()
	s.Values = make([]marketo.Value, len(names))
	for i := range s.Values {
		s.Values[i].Kind = marketo.Null
	}
	for name, value := range record {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			s.Values[i] = valueOf(value)
		}
	}
	return s
}

func valueOf(value any) marketo.Value {
	switch v := value.(type) {
	case string:
		return marketo.Value{Kind: marketo.String, Text: v}
	case json.Number:
		return marketo.Value{Kind: marketo.Number, Text: v.String()}
	case bool:
		return marketo.Value{Kind: marketo.Boolean, Text: strconv.FormatBool(v)}
	}
	return marketo.Value{Kind: marketo.Null}
}
