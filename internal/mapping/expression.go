package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/cdcsync/cdcsync/internal/spelling"
)

// withheld are the functions that could give another value the next time: the
// clock, and what goes through a map in no order.
var withheld = []string{"now", "keys", "values", "toPairs"}

// environment is the name by which an expression reaches a column whose name
// is no identifier: $env["Odd Name"].
const environment = "$env"

// expression is an expression whose syntax is known to be right.
type expression struct {
	source string
	// columns holds the names that the expression uses, in order of use.
	columns []string
}

// columnNames returns the columns of e, none for nil.
func (e *expression) columnNames() []string {
	if e == nil {
		return nil
	}
	return e.columns
}

// parseExpression checks all that does not depend on the table.
func parseExpression(source string) (*expression, error) {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("is no expression: %s", firstLine(err))
	}
	r := &reader{declared: map[string]bool{}}
	ast.Walk(&tree.Node, r)
	if r.whole > 0 {
		r.fail(`uses %s by itself; write %s["column"]`, environment, environment)
	}
	if r.err != nil {
		return nil, r.err
	}
	e := &expression{source: source}
	for _, name := range r.names {
		if !r.declared[name] && !slices.Contains(e.columns, name) {
			e.columns = append(e.columns, name)
		}
	}
	if _, err := e.compile(nil, false); err != nil {
		return nil, err
	}
	return e, nil
}

// reader collects what an expression uses. Walk visits children first, so
// that a name is seen before the call or member it belongs to.
type reader struct {
	names    []string
	declared map[string]bool
	// whole counts the uses of $env that no member has taken yet.
	whole int
	err   error
}

// Visit is called by ast.Walk.
func (r *reader) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == environment {
			r.whole++
			return
		}
		r.names = append(r.names, n.Value)
	case *ast.VariableDeclaratorNode:
		r.declared[n.Name] = true
	case *ast.BuiltinNode:
		if slices.Contains(withheld, n.Name) {
			r.fail("uses %s(), which may give another value when a change is delivered again; use columns of the row", n.Name)
		}
	case *ast.CallNode:
		if f, ok := n.Callee.(*ast.IdentifierNode); ok {
			r.fail("calls %s(), which is no function%s", f.Value, spelling.Hint(f.Value, functionNames()))
		}
	case *ast.MemberNode:
		r.member(n)
	}
}

// member handles $env["name"] and refuses what depends on the machine.
func (r *reader) member(n *ast.MemberNode) {
	name, ok := n.Property.(*ast.StringNode)
	if id, isName := n.Node.(*ast.IdentifierNode); isName && id.Value == environment {
		if !ok {
			r.fail(`uses %s without a fixed name; write %s["column"]`, environment, environment)
			return
		}
		r.whole--
		r.names = append(r.names, name.Value)
		return
	}
	if ok && name.Value == "Local" {
		r.fail(`uses Local, which depends on the machine's time zone; write In(timezone("Europe/Berlin"))`)
	}
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// functionNames returns the functions an expression may call.
func functionNames() []string {
	var names []string
	for _, name := range builtinNames {
		if !slices.Contains(withheld, name) {
			names = append(names, name)
		}
	}
	return names
}

// options are those of every compilation. string() is ours: the language's
// own would write a null as <nil>.
func options(env types.Map) []expr.Option {
	list := []expr.Option{
		expr.Env(env),
		expr.Timezone("UTC"),
		expr.DisableBuiltin("string"),
		expr.Function("string", text, new(func(any) string)),
	}
	for _, name := range withheld {
		list = append(list, expr.DisableBuiltin(name))
	}
	return append(list, characterOptions()...)
}

// compile makes the program. The types of the columns, when given, are
// checked first; the program itself knows no types, so that a null compares
// with == and != like any other value.
// condition asks for a boolean.
func (e *expression) compile(columns types.Map, condition bool) (*vm.Program, error) {
	if columns != nil {
		p, err := expr.Compile(e.source, options(columns)...)
		if err != nil {
			return nil, fmt.Errorf("does not fit the columns: %s", firstLine(err))
		}
		if err := checkResult(p.Node().Type(), condition); err != nil {
			return nil, err
		}
	}
	untyped := types.Map{}
	for _, name := range e.columns {
		untyped[name] = types.Any
	}
	p, err := expr.Compile(e.source, append(options(untyped), characterPatch()...)...)
	if err != nil {
		return nil, fmt.Errorf("is no expression: %s", firstLine(err))
	}
	return p, nil
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
)

// checkResult refuses results that no attribute can hold, and conditions that
// are none. A type that is not known before the row is there passes.
func checkResult(t reflect.Type, condition bool) error {
	if t == nil || t.Kind() == reflect.Interface {
		return nil
	}
	switch kind := t.Kind(); {
	case condition && kind != reflect.Bool:
		return fmt.Errorf("gives a %s; a condition must be true or false", t)
	case t == timeType:
		return nil
	case t == durationType:
		return errors.New("gives a duration; write d.Seconds() or string(d)")
	case kind == reflect.Slice, kind == reflect.Array, kind == reflect.Map:
		return errors.New("gives a list or a map; write join(…) or toJSON(…)")
	case kind == reflect.Struct, kind == reflect.Func, kind == reflect.Pointer:
		return fmt.Errorf("gives a %s; allowed are text, numbers, booleans, times and nil", t)
	}
	return nil
}

// text is string() for expressions.
func text(args ...any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, errNull
	case float64:
		return string(appendFloat(nil, v)), nil
	case time.Time:
		b, _, reason := appendTime(nil, v)
		if reason != "" {
			return nil, errors.New(reason)
		}
		return string(b), nil
	default:
		return fmt.Sprint(v), nil
	}
}

var (
	errNull    = errors.New("null has no text")
	errNotText = errors.New("not a text")
)

// firstLine cuts the drawing that the language appends to its errors.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.ReplaceAll(line, "  ", " ")
}

// place returns where in the source an error arose, "" when it does not say.
func place(err error) string {
	var f *file.Error
	if errors.As(err, &f) {
		return fmt.Sprintf(" at column %d", f.Column+1)
	}
	return ""
}
