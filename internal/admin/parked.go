package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/internal/checkpoint"
)

// actTimeout bounds an action; the pipeline takes milliseconds for it.
const actTimeout = 10 * time.Second

// listParked answers GET /api/v1/parked.
func (o Options) listParked(values bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { o.writeParked(w, r, values) }
}

func (o Options) writeParked(w http.ResponseWriter, r *http.Request, values bool) {
	q, p, err := listing(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := o.list(r.Context(), q, p)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if !values {
		answer.withoutValues()
	}
	reply(w, http.StatusOK, answer)
}

// list looks through what is parked in brief, and then at what it shows of that.
func (o Options) list(ctx context.Context, q question, p *page) (Parked, error) {
	answer, sums := Parked{Groups: []Group{}, Entries: []Entry{}}, groups{}
	err := o.EachParked(ctx, checkpoint.Filter{Mapping: q.mapping, Brief: q.key == ""}, func(entry checkpoint.Parked) {
		if q.fits(&entry) {
			answer.Total++
			sums.add(&entry)
			p.add(&entry)
		}
	})
	if err != nil {
		return answer, err
	}
	for _, sum := range sums.list() {
		err = errors.Join(err, o.EachParked(ctx, checkpoint.Filter{Key: sum.newest}, func(entry checkpoint.Parked) { sum.Message = entry.Message }))
		answer.Groups = append(answer.Groups, sum.Group)
	}
	keys, next := p.finish()
	answer.Next = next
	for _, key := range keys {
		err = errors.Join(err, o.EachParked(ctx, checkpoint.Filter{Key: key}, func(p checkpoint.Parked) { answer.Entries = append(answer.Entries, entry(&p)) }))
	}
	return answer, err
}

// showParked answers GET /api/v1/parked/{id}, where id may also be a key.
func (o Options) showParked(w http.ResponseWriter, r *http.Request) {
	q := question{key: r.PathValue("id"), mapping: r.URL.Query().Get("mapping")}
	found, err := o.find(r.Context(), q)
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case len(found) == 0:
		refuse(w, http.StatusNotFound, none(q))
	case len(found) > 1:
		refuse(w, http.StatusConflict, several(q, found))
	default:
		e := entry(&found[0])
		e.Payload = payload(&found[0])
		reply(w, http.StatusOK, e)
	}
}

// find returns the parked objects that fit, without their payloads unless it
// is one.
func (o Options) find(ctx context.Context, q question) ([]checkpoint.Parked, error) {
	var found []checkpoint.Parked
	err := o.EachParked(ctx, checkpoint.Filter{Mapping: q.mapping}, func(p checkpoint.Parked) {
		if !q.fits(&p) {
			return
		}
		if len(found) > 0 {
			p.Payload = ""
		}
		found = append(found, p)
	})
	return found, err
}

// actOnParked answers POST /api/v1/parked/retry and /discard.
func (o Options) actOnParked(discard bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var s Selector
		if !read(w, r, &s) {
			return
		}
		if err := s.check(); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		q := question{mapping: s.Mapping, code: s.Code, key: s.Key}
		found, err := o.find(r.Context(), q)
		switch {
		case err != nil:
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		case len(found) == 0 && s.Key != "":
			refuse(w, http.StatusNotFound, none(q))
			return
		case s.Key != "" && len(mappings(found)) > 1:
			refuse(w, http.StatusConflict, several(q, found))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), actTimeout)
		defer cancel()
		acted, err := o.Act(ctx, keys(found), discard)
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		reply(w, http.StatusOK, acted)
	}
}

// check refuses a selector that chooses nothing, or everything by mistake.
func (s Selector) check() error {
	some := s.Mapping != "" || s.Code != "" || s.Key != ""
	switch {
	case s.All && some:
		return fmt.Errorf("all stands beside mapping, code or key; give either all or them")
	case !s.All && !some:
		return fmt.Errorf("nothing is selected; give mapping, code or key, or all")
	}
	return nil
}

// keys returns the keys of parked objects. It is never nil: no keys are
// different from not saying which.
func keys(found []checkpoint.Parked) []string {
	keys := make([]string, len(found))
	for i := range found {
		keys[i] = found[i].Key
	}
	return keys
}

// mappings returns the mappings of parked objects, in order.
func mappings(found []checkpoint.Parked) []string {
	var names []string
	for i := range found {
		if !slices.Contains(names, found[i].Mapping) {
			names = append(names, found[i].Mapping)
		}
	}
	slices.Sort(names)
	return names
}

func none(q question) string {
	text := fmt.Sprintf("nothing is parked as %s", q.key)
	if q.mapping != "" {
		text += " in mapping " + q.mapping
	}
	return text + "; keys are written as cdcsync parked list writes them, id=42, or its ids are given"
}

func several(q question, found []checkpoint.Parked) string {
	if names := mappings(found); len(names) > 1 {
		return fmt.Sprintf("%s is parked in more than one mapping; say which: %s", q.key, strings.Join(names, ", "))
	}
	var ids []string
	for i := range found {
		ids = append(ids, identify(&found[i]))
	}
	return fmt.Sprintf("%s is the key of %d parked objects; use one of the ids %s", q.key, len(found), strings.Join(ids, ", "))
}
