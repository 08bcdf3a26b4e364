package mapping

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/pgoutput"
)

var builtinNames = builtin.Names

// program is an expression bound to the columns of a table.
type program struct {
	code *vm.Program
	// inputs are the columns it uses; no other is converted.
	inputs []input
}

type input struct {
	column int
	name   string
	kind   formatKind
}

// missing reports whether the stream lacks a value that the program needs.
func (p *program) missing(v *view) bool {
	return slices.ContainsFunc(p.inputs, func(in input) bool {
		return v.at(in.column).Kind == pgoutput.Unchanged
	})
}

// run evaluates the program for a row of which nothing is missing. An
// expression that fails over a null gives null, as in SQL.
func (p *program) run(sc *scratch, v *view) (any, *Problem) {
	null := false
	for _, in := range p.inputs {
		value := v.at(in.column)
		if value.Kind != pgoutput.Text {
			sc.environment[in.name] = nil
			null = true
			continue
		}
		converted, ok := convert(in.kind, value.Text)
		if !ok {
			return nil, &Problem{"expression", "column " + strconv.Quote(in.name) + " has a value that an expression cannot use (infinite, or of a year it cannot hold); correct the value"}
		}
		sc.environment[in.name] = converted
	}
	result, err := sc.machine.Run(p.code, sc.environment)
	switch {
	case err == nil:
		return result, nil
	case null:
		return nil, nil
	}
	return nil, &Problem{"expression", "the expression fails for this row" + place(err) + "; guard it, for example with ?: or ??"}
}

// convert makes a column's value what expressions work with.
func convert(kind formatKind, text []byte) (any, bool) {
	switch kind {
	case asBoolean:
		return len(text) == 1 && text[0] == 't', len(text) == 1
	case asInteger:
		n, err := strconv.Atoi(string(text))
		return n, err == nil
	case asNumeric, asFloat:
		f, err := strconv.ParseFloat(string(text), 64)
		return f, err == nil
	case asTimestamp, asTimestampZone:
		return orFalse(parseTimestamp(text, kind == asTimestampZone))
	case asBlankPadded:
		out, _, _ := (&format{kind: kind}).append(nil, text)
		return string(out), true
	}
	return string(text), true
}

func orFalse(t time.Time, ok bool) (any, bool) { return t, ok }

// inputType is the type that convert gives, for checking.
func inputType(kind formatKind) types.Type {
	switch kind {
	case asBoolean:
		return types.Bool
	case asInteger:
		return types.Int
	case asNumeric, asFloat:
		return types.Float
	case asTimestamp, asTimestampZone:
		return types.TypeOf(time.Time{})
	}
	return types.String
}

// appendResult renders what an expression gave. The kind is Null for nil.
func appendResult(dst []byte, result any) ([]byte, marketo.Kind, *Problem) {
	switch v := result.(type) {
	case nil:
		return dst, marketo.Null, nil
	case string:
		return append(dst, v...), marketo.String, nil
	case bool:
		return strconv.AppendBool(dst, v), marketo.Boolean, nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), marketo.Number, nil
	case int64:
		return strconv.AppendInt(dst, v, 10), marketo.Number, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, marketo.Omitted, &Problem{"value", "the expression " + reasonNotFinite}
		}
		return appendFloat(dst, v), marketo.Number, nil
	case time.Time:
		out, kind, reason := appendTime(dst, v)
		if reason != "" {
			return dst, marketo.Omitted, &Problem{"value", "the expression " + reason}
		}
		return out, kind, nil
	}
	return appendOther(dst, result)
}

// appendOther renders the rarer integers; the rest is no attribute's value.
func appendOther(dst []byte, result any) ([]byte, marketo.Kind, *Problem) {
	switch v := reflect.ValueOf(result); {
	case v.Type() == durationType:
	case v.CanInt():
		return strconv.AppendInt(dst, v.Int(), 10), marketo.Number, nil
	case v.CanUint():
		return strconv.AppendUint(dst, v.Uint(), 10), marketo.Number, nil
	}
	return dst, marketo.Omitted, &Problem{"expression", "the expression gives a list, a map or another thing that is no value; write toJSON(…) or string(…) around it"}
}
