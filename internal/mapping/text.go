package mapping

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// The expression language counts bytes where it takes a text apart. Here texts
// consist of characters (Unicode code points): what counts is replaced.

// Names that no expression can write.
const (
	sliceName      = "\x00slice"
	charactersName = "\x00characters"
)

// characterOptions are those that make text functions count characters.
func characterOptions() []expr.Option {
	index := func(find func(s, part string) int) func(...any) (any, error) {
		return func(args ...any) (any, error) {
			s, part, err := twoTexts(args)
			if err != nil {
				return nil, err
			}
			at := find(s, part)
			if at > 0 {
				at = utf8.RuneCountInString(s[:at])
			}
			return at, nil
		}
	}
	return []expr.Option{
		expr.DisableBuiltin("indexOf"),
		expr.Function("indexOf", index(strings.Index), strings.Index),
		expr.DisableBuiltin("lastIndexOf"),
		expr.Function("lastIndexOf", index(strings.LastIndex), strings.LastIndex),
	}
}

func twoTexts(args []any) (a, b string, err error) {
	a, okA := args[0].(string)
	b, okB := args[1].(string)
	if !okA || !okB {
		return "", "", errNotText
	}
	return a, b, nil
}

// characterPatch replaces in a program, whose types are checked already, what
// takes texts apart.
func characterPatch() []expr.Option {
	return []expr.Option{
		expr.Function(sliceName, slice, new(func(any, any, any) any)),
		expr.Function(charactersName, func(args ...any) (any, error) { return characters(args[0]), nil }, new(func(any) any)),
		expr.Patch(charactersOnly{}),
	}
}

// elementwise are the functions that take a list, and could be given a text
// whose type is not known before the row is there.
var elementwise = []string{
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum", "groupBy", "sortBy", "reduce",
	"first", "last", "get",
}

type charactersOnly struct{}

// Visit is called by the compiler for each node.
func (charactersOnly) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.SliceNode:
		from, to := n.From, n.To
		if from == nil {
			from = &ast.IntegerNode{Value: 0}
		}
		if to == nil {
			to = &ast.IntegerNode{Value: math.MaxInt}
		}
		ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: sliceName}, Arguments: []ast.Node{n.Node, from, to}})
	case *ast.MemberNode:
		if _, name := n.Property.(*ast.StringNode); !name {
			n.Node = inCharacters(n.Node)
		}
	case *ast.BuiltinNode:
		if slices.Contains(elementwise, n.Name) && len(n.Arguments) > 0 {
			n.Arguments[0] = inCharacters(n.Arguments[0])
		}
	}
}

func inCharacters(n ast.Node) ast.Node {
	call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: charactersName}, Arguments: []ast.Node{n}}
	call.SetLocation(n.Location())
	return call
}

// characters returns the characters of a text, each a text; all else as it is.
func characters(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return strings.Split(s, "")
}

// slice returns a part of a text or of a list. Bounds below zero count from
// the end; those beyond it are cut.
func slice(args ...any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return runtime.Slice(args[0], args[1], args[2]), nil
	}
	n := utf8.RuneCountInString(s)
	from, to := bound(args[1], n), bound(args[2], n)
	if from >= to {
		return "", nil
	}
	if n < len(s) {
		from, to = offset(s, from), offset(s, to)
	}
	return s[from:to], nil
}

// bound is a bound of a slice of n characters, between 0 and n.
func bound(v any, n int) int {
	at := runtime.ToInt(v)
	if at < 0 {
		at += n
	}
	return min(max(at, 0), n)
}

// offset is where character n of s begins, or its end.
func offset(s string, n int) int {
	for at := range s {
		if n == 0 {
			return at
		}
		n--
	}
	return len(s)
}
