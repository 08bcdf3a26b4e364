package admin

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// question is what parked objects are asked for. Empty parts fit all.
type question struct {
	mapping, code, key string
	waits              *bool
}

func (q question) fits(p *checkpoint.Parked) bool {
	switch {
	case q.mapping != "" && p.Mapping != q.mapping,
		q.waits != nil && p.Waits != *q.waits,
		q.code == NoCode && p.Code != "",
		q.code != "" && q.code != NoCode && p.Code != q.code:
		return false
	}
	return q.key == "" || named(p, q.key)
}

// listing reads a question and a page from the query of a request.
func listing(query url.Values) (question, *page, error) {
	q, p := question{}, &page{limit: usualLimit}
	for name, values := range query {
		value := values[0]
		var err error
		switch name {
		case "mapping":
			q.mapping = value
		case "code":
			q.code = value
		case "key":
			q.key = value
		case "waits":
			if value != "true" && value != "false" {
				err = fmt.Errorf("waits is %q; allowed are true and false", value)
			}
			waits := value == "true"
			q.waits = &waits
		case "limit":
			if p.limit, err = strconv.Atoi(value); err != nil || p.limit < 0 || p.limit > mostLimit {
				err = fmt.Errorf("limit is %q; allowed are whole numbers from 0 to %d", value, mostLimit)
			}
		case "after":
			p.after, err = parsePlace(value)
		default:
			err = fmt.Errorf("%s is not known; allowed are mapping, code, key, waits, limit and after", name)
		}
		if err != nil {
			return q, p, err
		}
		if len(values) > 1 {
			return q, p, fmt.Errorf("%s stands more than once", name)
		}
	}
	return q, p, nil
}
