package daemon

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged returns the lines that the program may log, "LEVEL message", without
// those for debugging. A message that is no constant is an error.
func logged(t *testing.T, dirs ...string) []string {
	t.Helper()
	var lines []string
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no code in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			add := func(level string, message ast.Expr) {
				text, ok := constant(message)
				if !ok {
					t.Errorf("%s: the message of a log line is not a constant", set.Position(message.Pos()))
				}
				if level != "DEBUG" {
					lines = append(lines, level+" "+text)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					called(n, add)
				case *ast.CompositeLit:
					composed(n, add)
				}
				return true
			})
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// called looks at a call: log.Warn("…"), r.Log.Warn("…") or m.log(slog.LevelWarn, "…").
func called(call *ast.CallExpr, add func(level string, message ast.Expr)) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	switch f.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		if x := lastName(f.X); strings.EqualFold(x, "log") || x == "slog" {
			add(strings.ToUpper(f.Sel.Name), call.Args[0])
		}
	case "log":
		if level := lastName(call.Args[0]); len(call.Args) > 1 && strings.HasPrefix(level, "Level") {
			add(strings.ToUpper(strings.TrimPrefix(level, "Level")), call.Args[1])
		}
	}
}

// composed looks at Log{Level: slog.LevelWarn, Message: "…"}.
func composed(value *ast.CompositeLit, add func(level string, message ast.Expr)) {
	level := ""
	for _, e := range value.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return
		}
		switch lastName(kv.Key) {
		case "Level":
			level = strings.ToUpper(strings.TrimPrefix(lastName(kv.Value), "Level"))
		case "Message":
			if _, ok := constant(kv.Value); ok && lastName(value.Type) == "Log" && level != "" {
				add(level, kv.Value)
			}
		}
	}
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// constant is the text of a literal, or of several that are added.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, ok1 := constant(e.X)
		right, ok2 := constant(e.Y)
		return left + right, ok1 && ok2
	}
	return "", false
}

// linked returns the directories of our packages that the program consists of,
// but for those that only simulate and demo log from.
func linked(t *testing.T) []string {
	t.Helper()
	const module = "github.com/cdcsync/cdcsync/"
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{.Dir}}", module+"cmd/cdcsync").Output()
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, ours := strings.CutPrefix(path, module)
		if ours && name != "internal/demo" && name != "internal/cluster" && name != "internal/marketo/simulator" {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) < 15 {
		t.Fatalf("only the packages %q", dirs)
	}
	return dirs
}

// The list for operators has every line that the program may log, with its
// level, and no other.
func TestLogLinesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| (INFO|WARN|ERROR) \\| `([^`]+)` \\| .+\\|$").FindAllStringSubmatch(string(docs), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(got)
	want := logged(t, linked(t)...)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not in docs/log.md: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("in docs/log.md, but never logged: %s", line)
		}
	}
	if len(want) < 40 {
		t.Errorf("only %d lines were found in the code", len(want))
	}
}
