package cluster_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/internal/cluster"
	"github.com/cdcsync/cdcsync/internal/cluster/clustertest"
)

// TestVersions starts a server of the oldest and of the newest version that is
// supported.
func TestVersions(t *testing.T) {
	for version, want := range map[int]string{14: "14.", 18: "18."} {
		t.Run(want, func(t *testing.T) {
			c := clustertest.Start(t, cluster.Options{Version: version})
			if got := clustertest.Value(t, c.URL("postgres"), "SHOW server_version"); !strings.HasPrefix(got, want) {
				t.Errorf("server_version = %s, want %s", got, want)
			}
		})
	}
}

func TestVersionThatIsNotThere(t *testing.T) {
	_, err := cluster.FindVersion(3)
	if !errors.Is(err, cluster.ErrNotInstalled) || !strings.Contains(err.Error(), "scripts/postgres 3") {
		t.Errorf("FindVersion(3) = %v, want ErrNotInstalled and what to run", err)
	}
	if _, err := cluster.Start(t.Context(), cluster.Options{Version: 3}); !errors.Is(err, cluster.ErrNotInstalled) {
		t.Errorf("Start() = %v, want ErrNotInstalled", err)
	}
}
