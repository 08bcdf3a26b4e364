// Package page is the status page that a browser is shown: files that are part of
// the program, as they are, with no step that builds them and nothing that is
// loaded from elsewhere. They ask the API of internal/admin, and know nothing that
// it does not tell.
//
// The charts are drawn by uPlot 1.6.32, whose released files are in static/vendor
// with their licence.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var files embed.FS

// Folder is where the files are served that the page at / is made of.
const Folder = "/page/"

// policy lets the page use its own files and nothing else: no script in a page,
// none of others, no frame around it, no form that leads away.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// file is one of them, with a tag that tells it from those of other releases.
type file struct {
	kind, tag string
	data      []byte
}

var served = load()

func load() map[string]file {
	kinds := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8",
	}
	all := map[string]file{}
	err := fs.WalkDir(files, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		sum := sha256.Sum256(data)
		all[Folder+strings.TrimPrefix(name, "static/")] = file{kinds[path.Ext(name)], `"` + hex.EncodeToString(sum[:8]) + `"`, data}
		return err
	})
	if err != nil {
		panic(err) // they are part of the program
	}
	return all
}

// Handler serves the page at / and its files below Folder. They are kept by
// browsers, and asked about each time.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	if name == "/" {
		name = Folder + "index.html"
	}
	one, ok := served[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "no-cache")
	head.Set("ETag", one.tag)
	if r.Header.Get("If-None-Match") == one.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", one.kind)
	_, _ = w.Write(one.data) // the browser may have left
}
