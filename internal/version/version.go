// Package version says which build of the program this is.
package version

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Info is what is known of a build. The zero Info is of one that nothing is
// known of.
type Info struct {
	// Version is the release, "(devel)" where there is none.
	Version string `json:"version"`
	// Revision is the commit, "" where it is not known; Modified is set when
	// the files were not those of the commit.
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	// Time is when the commit was made; zero where it is not known.
	Time time.Time `json:"time,omitzero"`
	// Go is the release of Go, Platform the system and the processor.
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read returns the Info of the running program. linked is the version that the
// linker was given, "" for none.
func Read(linked string) Info {
	i := Info{Version: linked, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if built, ok := debug.ReadBuildInfo(); ok {
		i.add(built)
	}
	if i.Version == "" {
		i.Version = "(devel)"
	}
	return i
}

func (i *Info) add(built *debug.BuildInfo) {
	if i.Version == "" {
		i.Version = built.Main.Version
	}
	for _, s := range built.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Revision = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		case "vcs.time":
			i.Time, _ = time.Parse(time.RFC3339, s.Value) // zero is: not known
		}
	}
}

// String is the version, the commit where it is known, and the release of Go.
func (i Info) String() string {
	text := i.Version
	if i.Revision != "" {
		text += " (" + i.Revision[:min(12, len(i.Revision))] + ")"
	}
	return text + " " + i.Go
}

// Collector is the metric cdcsync_build_info, which is always 1 and says in its
// labels which build this is.
func (i Info) Collector() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cdcsync_build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": i.Version, "revision": i.Revision, "goversion": i.Go},
	})
	g.Set(1)
	return g
}
