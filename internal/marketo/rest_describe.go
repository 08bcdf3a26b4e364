package marketo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Description is what Marketo knows about a custom object type.
type Description struct {
	Name string `json:"name"`
	// IDField is Marketo's own id, usually marketoGUID.
	IDField string `json:"idField"`
	// DedupeFields are the fields that identify an object.
	DedupeFields []string `json:"dedupeFields"`
	Fields       []Field  `json:"fields"`
	// Learnt is set by the simulator for a type that takes any field, so that
	// those it has say nothing.
	Learnt bool `json:"learnt"`
}

// Field is one field of a custom object type.
type Field struct {
	Name string `json:"name"`
	// DataType is Marketo's word, such as string, integer, datetime.
	DataType string `json:"dataType"`
	// Length is the most characters of a string; 0 where it has none.
	Length int `json:"length"`
	// Updateable is not set for what Marketo fills in itself.
	Updateable bool `json:"updateable"`
}

// Describe asks for the description of a type; it is one counted call. The
// error is a *Fault where Marketo answered.
func (c *REST) Describe(ctx context.Context, objectType string) (Description, error) {
	var found []Description
	if err := admitted(ctx, c.admit); err != nil {
		return Description{}, err
	}
	if fault := c.get(ctx, typePath(objectType)+"/describe.json", &found); fault != nil {
		return Description{}, fault
	}
	if len(found) != 1 {
		return Description{}, errors.New("describe custom object: not exactly one description; check the name of the custom object")
	}
	return found[0], nil
}

// Usage returns the calls that all integrations together made today, by
// Marketo's count; it is one counted call. The error is a *Fault where Marketo
// answered.
func (c *REST) Usage(ctx context.Context) (calls int, err error) {
	var days []struct {
		Total int `json:"total"`
	}
	if err := admitted(ctx, c.admit); err != nil {
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
func (c *REST) Login(ctx context.Context) error {
	_, err := c.Usage(ctx)
	return err
}

// get reads the result of a call that has no body into into. The reply is held
// to the same rules as one that confirms.
func (c *REST) get(ctx context.Context, path string, into any) *Fault {
	reply := c.call(ctx, http.MethodGet, path, nil, nil, func(body []byte) (*restError, error) {
		failed, err := readRESTEnvelope(body, (*jsonReader).skip)
		if failed != nil || err != nil {
			return failed, err
		}
		var reply struct {
			Result json.RawMessage `json:"result"`
		}
		if err := json.Unmarshal(body, &reply); err != nil {
			return nil, errors.New("its fields have other types")
		}
		if err := json.Unmarshal(reply.Result, into); err != nil {
			return nil, errors.New("its fields have other types")
		}
		return nil, nil
	})
	return reply.Fault
}
