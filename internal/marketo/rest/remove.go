package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/exchange"
)

// Remove deletes objects by Marketo's own ids, which tell those apart that have
// one key: up to MostKeys of them, in one counted call. It returns a Result for
// each. The error is a *Fault where Marketo answered.
func (c *Client) Remove(ctx context.Context, objectType string, guids []string) ([]marketo.Result, error) {
	if len(guids) > mostKeys {
		return nil, fmt.Errorf("delete custom objects: %d in one call", len(guids))
	}
	if len(guids) == 0 {
		return nil, nil
	}
	if err := exchange.Admitted(ctx, c.admit); err != nil {
		return nil, err
	}
	input := make([]map[string]string, len(guids))
	for i, guid := range guids {
		input[i] = map[string]string{"marketoGUID": guid}
	}
	body, err := json.Marshal(map[string]any{"deleteBy": "idField", "input": input})
	if err != nil {
		return nil, errors.New("delete custom objects: ids that JSON cannot carry")
	}
	buf := exchange.NewBuffer()
	buf.B = append(buf.B, body...)
	batch := &marketo.Batch{Type: objectType, Operation: marketo.Delete, Objects: make([]marketo.Object, len(guids))}
	var results []marketo.Result
	reply := c.call(ctx, http.MethodPost, typePath(objectType)+"/delete.json", buf, nil, func(body []byte) (failed *restError, err error) {
		results, failed, err = readReply(body, batch)
		return failed, err
	})
	if reply.Fault != nil {
		return nil, reply.Fault
	}
	return results, nil
}
