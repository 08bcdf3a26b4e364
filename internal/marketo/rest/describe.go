package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// Describe asks for the description of a type; it is one counted call. The
// error is a *Fault where Marketo answered.
func (c *Client) Describe(ctx context.Context, objectType string) (marketo.Description, error) {
	var found []marketo.Description
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return marketo.Description{}, err
	}
	if fault := c.get(ctx, typePath(objectType)+"/describe.json", &found); fault != nil {
		return marketo.Description{}, fault
	}
	if len(found) != 1 {
		return marketo.Description{}, errors.New("describe custom object: not exactly one description; check the name of the custom object")
	}
	return found[0], nil
}

// List returns every type without its fields; it is one counted call. The error
// is a *Fault where Marketo answered.
func (c *Client) List(ctx context.Context) ([]marketo.Description, error) {
	var found []marketo.Description
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return nil, err
	}
	if fault := c.get(ctx, "/rest/v1/customobjects.json", &found); fault != nil && !none(fault) {
		return nil, fault
	}
	return found, nil
}

// DependentAssets returns what uses a type; it is one counted call. Many plans do not
// include it, and Marketo answers with 616, or with 603 where the role lacks the right
// on custom object types. The error is a *Fault where Marketo answered.
func (c *Client) DependentAssets(ctx context.Context, objectType string) ([]marketo.Asset, error) {
	var found []marketo.Asset
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return nil, err
	}
	if fault := c.get(ctx, "/rest/v1/customobjects/schema/"+url.PathEscape(objectType)+"/dependentAssets.json", &found); fault != nil && !none(fault) {
		return nil, fault
	}
	return found, nil
}

// Usage returns the calls that all integrations together made today, by
// Marketo's count; it is one counted call. The error is a *Fault where Marketo
// answered.
func (c *Client) Usage(ctx context.Context) (calls int, err error) {
	var days []struct {
		Total int `json:"total"`
	}
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return 0, err
	}
	if fault := c.get(ctx, "/rest/v1/stats/usage.json", &days); fault != nil {
		return 0, fault
	}
	for _, d := range days {
		calls += d.Total
	}
	return calls, nil
}

// Login implements Client: it fetches a token and asks for the day's usage.
func (c *Client) Login(ctx context.Context) error {
	_, err := c.Usage(ctx)
	return err
}

// get reads the result of a call that has no body into into. The reply is held
// to the same rules as one that confirms.
func (c *Client) get(ctx context.Context, path string, into any) *marketo.Fault {
	return c.document(ctx, http.MethodGet, path, nil, into)
}

// document is get for a call of any method. buf is given away.
func (c *Client) document(ctx context.Context, method, path string, buf *exchange.Buffer, into any) *marketo.Fault {
	return c.whole(ctx, method, path, buf, &struct {
		Result any `json:"result"`
	}{into})
}

// whole is document for what stands beside the result, too.
func (c *Client) whole(ctx context.Context, method, path string, buf *exchange.Buffer, into any) *marketo.Fault {
	reply := c.call(ctx, method, path, buf, nil, func(body []byte) (*restError, error) {
		failed, err := readRESTEnvelope(body, (*jsonReader).skip)
		if failed != nil || err != nil {
			return failed, err
		}
		if err := json.Unmarshal(body, into); err != nil {
			return nil, errors.New("its fields have other types")
		}
		return nil, nil
	})
	return reply.Fault
}
