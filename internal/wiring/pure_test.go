package wiring_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure are the files that decide, and do nothing else: what they are told is
// all they know, so the simulation can try everything that may happen to them
// and repeat it. What is not a file of theirs is the shell around them.
var pure = []struct {
	dir string
	// files are the pure ones; where shell is set, all others are.
	files, shell []string
}{
	{dir: "delivery", shell: []string{
		"ask.go", "clock.go", "distance.go", "foresee.go", "handle.go", "identity.go", "metrics.go", "pass.go",
		"progress.go", "reader.go", "reconnect.go", "relation.go", "row.go", "runner.go", "source.go", "watch.go",
	}},
	{dir: "checkpoint"},
	{dir: "mapping"},
	{dir: "marketo", shell: []string{"reply.go"}}, // what a Client is, which waits
	{dir: "catalog"},
	{dir: "pgoutput"},
}

// impure are packages, and all below them, that reach out of the process, wait,
// or know what time it is.
var impure = []string{
	"context", "crypto/rand", "database", "net", "os", "syscall", "golang.org/x/sys",
	"github.com/jackc/pgx", "github.com/prometheus", "modernc.org",
}

// moments are what of package time depends on when it is called.
var moments = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// seeded are what of math/rand/v2 goes by a seed that somebody chose.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "PCG", "ChaCha8", "Zipf", "Source"}

func TestPureFilesStayPure(t *testing.T) {
	for _, p := range pure {
		dir := filepath.Join("..", p.dir)
		all, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range all {
			all[i] = filepath.Base(path)
		}
		for _, name := range slices.Concat(p.files, p.shell) {
			if !slices.Contains(all, name) {
				t.Errorf("%s/%s is not there any more", p.dir, name)
			}
		}
		for _, name := range all {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if p.files != nil && !slices.Contains(p.files, name) {
				continue
			}
			if slices.Contains(p.shell, name) {
				for _, method := range methods(file, "Machine") {
					t.Errorf("%s/%s is shell and has a method of the Machine: %s", p.dir, name, method)
				}
				continue
			}
			for _, stain := range stains(fset, file) {
				t.Errorf("%s/%s must be pure: %s", p.dir, name, stain)
			}
		}
	}
}

// stains lists what keeps a file from being pure.
func stains(fset *token.FileSet, file *ast.File) (found []string) {
	note := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("line %d ", fset.Position(n.Pos()).Line)+fmt.Sprintf(format, args...))
	}
	random := ""
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || slices.ContainsFunc(impure, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }) {
			note(spec, "imports %s", path)
		}
		if path == "math/rand" || path == "math/rand/v2" {
			random = "rand"
		}
		if spec.Name != nil && (path == "time" || random != "" && strings.HasPrefix(path, "math/rand")) {
			note(spec, "gives %s another name, where this test does not see it", path)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			note(n, "starts a goroutine")
		case *ast.SelectStmt:
			note(n, "waits in a select")
		case *ast.SendStmt:
			note(n, "sends on a channel")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				note(n, "waits for a channel")
			}
		case *ast.SelectorExpr:
			of, ok := n.X.(*ast.Ident)
			switch {
			case !ok:
			case of.Name == "time" && slices.Contains(moments, n.Sel.Name):
				note(n, "uses time.%s", n.Sel.Name)
			case random != "" && of.Name == random && !slices.Contains(seeded, n.Sel.Name):
				note(n, "uses rand.%s, which has no seed of ours", n.Sel.Name)
			}
		}
		return true
	})
	return found
}

// methods names the methods that a file gives a type.
func methods(file *ast.File, of string) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			continue
		}
		receiver := f.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if name, ok := receiver.(*ast.Ident); ok && name.Name == of {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

// Each of these stains a file, and what a pure file does every day does not.
func TestStainsAreSeen(t *testing.T) {
	for _, test := range []struct {
		code string
		want int
	}{
		{`import "time"; func f() { _ = time.Now() }`, 1},
		{`import "time"; func f() { time.Sleep(1); <-time.After(1) }`, 3},
		{`import clock "time"; func f() { clock.Sleep(1) }`, 1},
		{`import "math/rand/v2"; func f() int { return rand.IntN(3) }`, 1},
		{`import "math/rand"; var n = rand.Int`, 1},
		{`import "crypto/rand"; var b = rand.Text`, 1},
		{`func f() { go f() }`, 1},
		{`func f(c chan int) { c <- 1 }`, 1},
		{`func f(c chan int) { select { case <-c: default: } }`, 2},
		{`import "net/http"; var c http.Client`, 1},
		{`import "database/sql"; var d sql.DB`, 1},
		{`import "github.com/prometheus/client_golang/prometheus"; var g prometheus.Gauge`, 1},
		{`import "github.com/jackc/pgx/v5"; var c pgx.Conn`, 1},
		{`import ("math/rand/v2"; "time"); func f(r *rand.Rand, t time.Time) time.Time { return t.Add(time.Duration(rand.New(rand.NewPCG(1, 2)).Int64())) }`, 0},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "", "package p; "+test.code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := stains(fset, file); len(got) != test.want {
			t.Errorf("%s: %q, want %d", test.code, got, test.want)
		}
	}
}
