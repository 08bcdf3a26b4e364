package marketo

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// An Object's values are one string, which is one piece of memory without
// pointers: a word for each value, and then texts. From its lowest bit a word
// holds the value's kind, whether its text is plain, where it begins and where
// it ends, both counted from the start of the string.
const (
	wordBytes = 8
	kindBits  = 3
	kindMask  = 1<<kindBits - 1
	plainBit  = 1 << kindBits
	fromShift = kindBits + 1
	placeBits = 30
	toShift   = fromShift + placeBits
)

// LargestRecord is the most bytes that a Record may have.
const LargestRecord = 1<<placeBits - 1

// Record is an Object in the making. Its owner appends texts to it, and says
// with Set which of its bytes are the text of which value.
type Record []byte

// Begin returns r with room for n values, all Omitted, and nothing else.
func (r Record) Begin(n int) Record {
	r = slices.Grow(r[:0], n*wordBytes)[:n*wordBytes]
	clear(r)
	return r
}

// Set makes value i what it is: of a kind, with the bytes from from to to.
// plain says that they are Plain, and spares them a look whenever the object is
// written; false is never wrong.
func (r Record) Set(i int, kind Kind, from, to int, plain bool) {
	word := uint64(kind) | uint64(from)<<fromShift | uint64(to)<<toShift
	if plain {
		word |= plainBit
	}
	binary.LittleEndian.PutUint64(r[i*wordBytes:], word)
}

// Add appends a text and makes it value i.
func (r Record) Add(i int, v Value) Record {
	from := len(r)
	r = append(r, v.Text...)
	r.Set(i, v.Kind, from, len(r), Plain(r[from:]))
	return r
}

// Kind returns the kind of value i.
func (r Record) Kind(i int) Kind { return Kind(r[i*wordBytes] & kindMask) }

// Object returns what r holds, in memory of its own. It must have begun with as
// many values as shape has names.
func (r Record) Object(shape *Shape) Object { return Object{Shape: shape, record: string(r)} }

// Give is Object without the copy: r becomes the object's memory, and must not
// be used any more.
func (r Record) Give(shape *Shape) Object {
	return Object{Shape: shape, record: unsafe.String(unsafe.SliceData(r), len(r))}
}

// Object is one custom object to write: a value for each name of its Shape, at
// first those of the key. It never changes.
type Object struct {
	Shape  *Shape
	record string
}

// NewObject returns an object of the values given, in the order of the Shape's
// names. Those that are missing are Omitted.
func NewObject(shape *Shape, values []Value) Object {
	r := Record(nil).Begin(shape.Len())
	for i, v := range values {
		r = r.Add(i, v)
	}
	return r.Object(shape)
}

// Len returns the number of values.
func (o *Object) Len() int {
	if o.Shape == nil {
		return 0
	}
	return o.Shape.Len()
}

// Kind returns the kind of value i.
func (o *Object) Kind(i int) Kind { return Kind(o.record[i*wordBytes] & kindMask) }

// Value returns value i.
func (o *Object) Value(i int) Value {
	kind, text, _ := o.Read(i)
	return Value{Kind: kind, Text: text}
}

// word returns the word of value i.
func (o *Object) word(i int) uint64 {
	at := o.record[i*wordBytes : i*wordBytes+wordBytes]
	return uint64(at[0]) | uint64(at[1])<<8 | uint64(at[2])<<16 | uint64(at[3])<<24 |
		uint64(at[4])<<32 | uint64(at[5])<<40 | uint64(at[6])<<48 | uint64(at[7])<<56
}

// Read returns value i, and whether its text is known to be Plain.
func (o *Object) Read(i int) (kind Kind, text string, plain bool) {
	word := o.word(i)
	return Kind(word & kindMask), o.record[word>>fromShift&LargestRecord : word>>toShift], word&plainBit != 0
}

// Values returns all values.
func (o *Object) Values() []Value {
	values := make([]Value, o.Len())
	for i := range values {
		values[i] = o.Value(i)
	}
	return values
}

// Check returns an error if the Record that the object was made from was told
// of a text that is not there, or that one is Plain which is not: a body would
// say something else then. For tests.
func (o *Object) Check() error {
	for i := range o.Len() {
		word := o.word(i)
		if from, to := word>>fromShift&LargestRecord, word>>toShift; from > to || to > uint64(len(o.record)) {
			return fmt.Errorf("value %d: no text from %d to %d in %d bytes", i, from, to, len(o.record))
		}
		if kind, text, plain := o.Read(i); plain && !Plain([]byte(text)) {
			return fmt.Errorf("value %d: of kind %d and said to be plain, which it is not", i, kind)
		}
	}
	return nil
}

// Part returns bytes of the Record that the object was made from.
func (o *Object) Part(from, to int) string { return o.record[from:to] }

// Bytes returns how much memory the values take.
func (o *Object) Bytes() int { return len(o.record) }
