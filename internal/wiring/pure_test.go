package wiring_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure are the packages that decide, and do nothing else: what they are told is
// all they know, so the simulation can try everything that may happen to them
// and repeat it.
var pure = []string{"pgoutput", "catalog", "marketo", "mapping", "checkpoint", "delivery"}

// impure are packages, and all below them, that reach out of the process.
// Nothing that a pure package is made of may import one. (The standard library
// is not looked into: fmt imports os.)
var impure = []string{
	"crypto/rand", "database", "net", "os", "os/exec", "io/ioutil", "syscall", "golang.org/x/sys", "golang.org/x/net",
	"github.com/jackc", "github.com/lib/pq", "github.com/prometheus", "modernc.org",
}

// moments are what of package time depends on when it is called.
var moments = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// seeded are what of math/rand/v2 goes by a seed that somebody chose.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "PCG", "ChaCha8", "Zipf", "Source"}

// made is a package as the go command lists it.
type made struct {
	ImportPath, Dir string
	Standard        bool
	GoFiles         []string
	Imports         []string
}

// madeOf lists a package of ours and all that it is made of.
func madeOf(t *testing.T, name string) map[string]made {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,Imports", module+name).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]made)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p made
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func isImpure(path string) bool {
	return slices.ContainsFunc(impure, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

// leaks lists the imports that make a package of these impure.
func leaks(all map[string]made) (found []string) {
	for _, path := range slices.Sorted(maps.Keys(all)) {
		p := all[path]
		if p.Standard {
			continue
		}
		if isImpure(path) {
			found = append(found, path+" is linked in")
		}
		for _, imported := range p.Imports {
			if isImpure(imported) {
				found = append(found, path+" imports "+imported)
			}
		}
	}
	return found
}

func TestPurePackagesImportNothingImpure(t *testing.T) {
	for _, name := range pure {
		for _, leak := range leaks(madeOf(t, name)) {
			t.Errorf("%s must be pure: %s", name, leak)
		}
	}
}

func TestPurePackagesDoNothingImpure(t *testing.T) {
	for _, name := range pure {
		all := madeOf(t, name)
		for _, file := range all[module+name].GoFiles {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, filepath.Join(all[module+name].Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, stain := range stains(fset, parsed) {
				t.Errorf("%s/%s must be pure: %s", name, file, stain)
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
		if err != nil || isImpure(path) {
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
			case of.Name == "context" && n.Sel.Name != "Context":
				note(n, "uses context.%s", n.Sel.Name)
			}
		}
		return true
	})
	return found
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
		{`import "context"; func f() { _, _ = context.WithCancel(context.Background()) }`, 2},
		{`func f() { go f() }`, 1},
		{`func f(c chan int) { c <- 1 }`, 1},
		{`func f(c chan int) { select { case <-c: default: } }`, 2},
		{`import "os"; var d, _ = os.Getwd()`, 1},
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

// The packages that carry things out reach out of the process, and that is seen,
// through others of ours, too.
func TestLeaksAreSeen(t *testing.T) {
	for name, want := range map[string]string{
		"replication":       module + "replication imports net",
		"checkpoint/sqlite": module + "checkpoint/sqlite imports database/sql",
		"marketo/soap":      module + "marketo/exchange imports net/http",
		"pipeline":          module + "replication imports github.com/jackc/pgx/v5/pgconn",
	} {
		if found := leaks(madeOf(t, name)); !slices.Contains(found, want) {
			t.Errorf("%s: no %q in %q", name, want, found)
		}
	}
}
