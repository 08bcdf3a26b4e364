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
var pure = []string{"pgoutput", "catalog", "marketo", "mapping", "checkpoint", "delivery", "backfill"}

// impure are packages, and all below them, that reach out of the process.
// Nothing that a pure package is made of may import one. (The standard library
// is not looked into: fmt imports os.)
var impure = []string{
	"crypto/rand", "database", "net", "os", "os/exec", "io/ioutil", "syscall", "golang.org/x/sys", "golang.org/x/net",
	"github.com/jackc", "github.com/lib/pq", "github.com/prometheus", "modernc.org",
}

// reaching are names of packages that pure code may otherwise use: what they give
// depends on more than what they are told.
var reaching = map[string][]string{
	"time":          {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local"},
	"path/filepath": {"Abs", "EvalSymlinks", "Glob", "Walk", "WalkDir"},
	"fmt":           {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"log/slog":      {"Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "Default", "SetDefault"},
}

// harmless are the names that pure code may use of packages whose others reach
// out: of math/rand/v2 what goes by a seed that somebody chose.
var harmless = map[string][]string{
	"math/rand":    {"New", "NewSource", "NewZipf", "Rand", "Source", "Zipf"},
	"math/rand/v2": {"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "PCG", "ChaCha8", "Zipf", "Source"},
	"context":      {"Context"},
}

// made is a package as the go command lists it.
type made struct {
	ImportPath, Dir string
	Standard        bool
	GoFiles         []string
	Imports         []string
}

// madeBefore keeps what madeOf has listed without flags.
var madeBefore = make(map[string]map[string]made)

// madeOf lists a package of ours and all that it is made of. Flags are more of the
// go command's.
func madeOf(t *testing.T, name string, flags ...string) map[string]made {
	t.Helper()
	if known := madeBefore[name]; known != nil && flags == nil {
		return known
	}
	args := slices.Concat([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,Imports"}, flags, []string{module + name})
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]made)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p made
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			if flags == nil {
				madeBefore[name] = all
			}
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
		for _, stain := range stainsOf(t, madeOf(t, name), nil) {
			t.Errorf("%s must be pure: %s", name, stain)
		}
	}
}

// stainsOf lists what the files of ours among these packages do that is impure.
// Planted holds the text of files that are not on disk.
func stainsOf(t *testing.T, all map[string]made, planted map[string]string) (found []string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasPrefix(path, module) {
			continue
		}
		for _, file := range all[path].GoFiles {
			full := filepath.Join(all[path].Dir, file)
			var text any
			if source, ok := planted[full]; ok {
				text = source
			}
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, full, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, stain := range stains(fset, parsed) {
				found = append(found, path+"/"+file+": "+stain)
			}
		}
	}
	return found
}

// stains lists what keeps a file from being pure.
func stains(fset *token.FileSet, file *ast.File) (found []string) {
	note := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("line %d ", fset.Position(n.Pos()).Line)+fmt.Sprintf(format, args...))
	}
	paths := make(map[string]string) // by the names that the file has for them
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || isImpure(path) {
			note(spec, "imports %s", path)
			continue
		}
		name := strings.TrimSuffix(path, "/v2")
		name = name[strings.LastIndexByte(name, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if paths[name] = path; name == "." && (reaching[path] != nil || harmless[path] != nil) {
			note(spec, "takes the names of %s for its own, where this test does not see them", path)
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
			if of, ok := n.X.(*ast.Ident); ok {
				path := paths[of.Name]
				if allowed := harmless[path]; slices.Contains(reaching[path], n.Sel.Name) || allowed != nil && !slices.Contains(allowed, n.Sel.Name) {
					note(n, "uses %s.%s", path, n.Sel.Name)
				}
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
		{`import . "time"; func f() { Sleep(1) }`, 1},
		{`import "path/filepath"; func f() { _, _ = filepath.Abs(filepath.Base("x")) }`, 1},
		{`import "fmt"; func f() { fmt.Println(fmt.Sprint(1)) }`, 1},
		{`import "log/slog"; func f() { slog.Info("x", "level", slog.LevelWarn) }`, 1},
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
