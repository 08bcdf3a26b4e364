package mapping

import (
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

// scratch is where one write is put together.
type scratch struct {
	plan *plan
	// buf holds the prefix of the key and the key's values, each ended by a
	// zero byte, from key to keyEnd, and then all other texts.
	buf         marketo.Record
	key, keyEnd int
	problem     *Problem
	// sought are the values of other tables that the write lacks.
	sought []Sought

	// environment holds the inputs of the programs run so far. A program reads
	// only its own, which run has just set.
	environment map[string]any
	machine     vm.VM
}

var scratches = sync.Pool{New: func() any { return &scratch{environment: map[string]any{}} }}

// overhead is what is lost when the memory of a Write's values is handed out,
// in bytes.
const overhead = 16

// keepBuffer is the largest buffer worth keeping for the next write.
const keepBuffer = 1 << 20

// begin starts a write of p.
func (sc *scratch) begin(p *plan) {
	if cap(sc.buf) > keepBuffer {
		sc.buf = nil
	}
	sc.plan = p
	sc.buf = sc.buf.Begin(p.shape.Len())
	sc.key = len(sc.buf)
	sc.buf = append(sc.buf, p.prefix...)
	sc.keyEnd = len(sc.buf)
	sc.problem, sc.sought = nil, nil
}

func (sc *scratch) fail(code, message string) {
	if sc.problem == nil {
		sc.problem = &Problem{code, message}
	}
}

// keys renders the key values, each ended by a zero byte, which no text of
// PostgreSQL can hold. It reports whether all could be rendered.
func (sc *scratch) keys(v *view) bool {
	ok := true
	for i := range sc.plan.key {
		f := &sc.plan.key[i]
		if sc.keyText(f, i, v.at(f.column)) {
			sc.buf = append(sc.buf, 0)
			continue
		}
		ok = false
	}
	sc.keyEnd = len(sc.buf)
	return ok
}

// keyText renders one key value into place at, and reports whether there is
// one.
func (sc *scratch) keyText(f *field, at int, value pgoutput.Value) bool {
	switch value.Kind {
	case pgoutput.Null:
		sc.fail("null_key", f.label+"is null; give the row a key, or leave such rows out with where")
		return false
	case pgoutput.Unchanged:
		sc.fail(UnchangedKey, f.label+"is not in the stream; run: ALTER TABLE … REPLICA IDENTITY FULL")
		return false
	}
	from := len(sc.buf)
	out, kind, reason := f.format.append(sc.buf, value.Text)
	if reason != "" {
		sc.fail("value", f.label+reason)
		return false
	}
	sc.buf = out
	// No format makes of a plain text one that is not.
	plain := kind != marketo.String || marketo.Plain(value.Text)
	if len(out) == from {
		sc.fail("null_key", f.label+"is empty, which Marketo takes for no key; give the row a key, or leave such rows out with where")
		return false
	}
	if !plain {
		if reason := sc.plan.definition.ofKey(out[from:]); reason != "" {
			sc.fail("characters", f.label+reason+"; clean the value, as a key is never changed")
			return false
		}
	}
	sc.buf.Set(at, f.want.kind(out[from:], kind), from, len(out), plain)
	return true
}

// lack says what the stream did not carry for a write.
type lack uint8

const (
	lacksNothing lack = iota
	// lacksColumn: an attribute is left out, which is right for a row whose
	// object exists.
	lacksColumn
	// lacksInput: the object cannot do without the row.
	lacksInput
)

// lack is what a write lacks without the value of f. Marketo may have what an
// update left alone, but nobody has sent it what the description does not have.
func (f *field) lack() lack {
	if f.column == absent {
		return lacksInput
	}
	return lacksColumn
}

// fields renders the attributes.
func (sc *scratch) fields(v *view) lack {
	lacks := lacksNothing
	for i := range sc.plan.attributes {
		f := &sc.plan.attributes[i]
		at := len(sc.plan.key) + i
		switch {
		case f.constant != nil:
			sc.buf = sc.buf.Add(at, *f.constant)
		case f.seeking != nil:
			lacks = max(lacks, sc.seek(f, at, v))
		case f.program != nil:
			if f.program.missing(v) {
				lacks = lacksInput
				continue
			}
			sc.computed(f, at, v)
		default:
			value := v.at(f.column)
			if value.Kind == pgoutput.Unchanged {
				lacks = max(lacks, f.lack())
				continue
			}
			sc.copied(f, at, value)
		}
		if f.omitNull && sc.buf.Kind(at) == marketo.Null {
			sc.buf.Set(at, marketo.Omitted, 0, 0, false)
		}
	}
	return lacks
}

// copied renders a column's value into place at.
func (sc *scratch) copied(f *field, at int, value pgoutput.Value) {
	if value.Kind == pgoutput.Null {
		sc.buf.Set(at, marketo.Null, 0, 0, false)
		return
	}
	from := len(sc.buf)
	if f.format.kind == asText && f.want <= wantText && marketo.Plain(value.Text) {
		// What most values are: text that goes as it is.
		sc.buf = append(sc.buf, value.Text...)
		sc.buf.Set(at, marketo.String, from, len(sc.buf), true)
		return
	}
	out, kind, reason := f.format.append(sc.buf, value.Text)
	if reason != "" {
		sc.fail("value", f.label+reason)
		return
	}
	sc.place(f, at, from, out, kind)
}

// computed renders an expression's value into place at.
func (sc *scratch) computed(f *field, at int, v *view) {
	result, problem := f.program.run(sc, v)
	if problem == nil {
		var out []byte
		var kind marketo.Kind
		from := len(sc.buf)
		if out, kind, problem = appendResult(sc.buf, result); problem == nil {
			sc.place(f, at, from, out, kind)
			return
		}
	}
	sc.fail(problem.Code, f.label+problem.Message)
}

// place makes out[from:] the text of the value at; out is the buffer grown.
func (sc *scratch) place(f *field, at, from int, out []byte, kind marketo.Kind) {
	if f.want != wantAnything {
		out, kind = f.want.convert(out, from, kind)
	}
	plain := kind != marketo.String || f.format.plain()
	if !plain {
		var reason string
		if out, reason = sc.plan.definition.clean(out, from); reason != "" {
			setting := "characters"
			if reason == charactersBeyond {
				setting = "beyond_bmp"
			}
			sc.fail("characters", f.label+reason+"; clean the value, or set "+setting+": strip or replace")
			return
		}
	}
	sc.buf = out
	sc.buf.Set(at, kind, from, len(out), plain)
}

// finish makes w the write. keyed says whether the buffer begins with a key.
func (sc *scratch) finish(w *Write, v *view, keyed bool, op marketo.Operation) {
	p := sc.plan
	if len(sc.buf) > marketo.LargestRecord {
		sc.cut()
	}
	w.Mapping, w.Operation, w.Problem = p.index, op, sc.problem
	large := len(sc.buf) > keepBuffer
	if large {
		w.Object, sc.buf = sc.buf.Give(p.shape), nil
	} else {
		w.Object = sc.buf.Object(p.shape)
	}
	w.Bytes = overhead + w.Object.Bytes()
	if keyed {
		if w.Key = w.Object.Part(sc.key, sc.keyEnd); large {
			w.Key = strings.Clone(w.Key) // a key outlives its object
		}
	} else {
		w.Key = p.substitute(v)
	}
}

// more appends a Write to be filled in.
func more(out []Write) ([]Write, *Write) {
	out = append(out, Write{})
	return out, &out[len(out)-1]
}

// cut leaves nothing but the key of a row that no call could carry.
func (sc *scratch) cut() {
	sc.fail("too_large", "the object's values are larger than a gigabyte; map fewer or shorter attributes")
	for at := len(sc.plan.key); at < sc.plan.shape.Len(); at++ {
		sc.buf.Set(at, marketo.Omitted, 0, 0, false)
	}
	sc.buf = sc.buf[:sc.keyEnd]
}

// NoKey begins what stands in a Write.Key for the values of a key that cannot be
// written.
const NoKey = '\x01'

// substitute is the key of rows whose own cannot be written. It never equals that
// of an object. A value that cannot be rendered is in it, so that such rows are
// told apart. One that is null, empty or not there says nothing about which row
// it is: those of a mapping that lack the same share one, and with it one parked
// object, however often they change. None of them could be tried again.
func (p *plan) substitute(v *view) string {
	key := append([]byte(p.prefix), NoKey)
	lacks := slices.ContainsFunc(p.key, func(f field) bool { return len(v.at(f.column).Text) == 0 })
	for i := range p.key {
		value := v.at(p.key[i].column)
		switch {
		case !lacks:
			key = append(key, 't')
			key = append(key, value.Text...)
		case len(value.Text) == 0:
			key = append(key, "nut"[value.Kind])
		default:
			key = append(key, '*')
		}
		key = append(key, 0)
	}
	return string(key)
}
