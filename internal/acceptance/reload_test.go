package acceptance_test

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/internal/faultproxy"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
)

// TestReload has the configuration read again under load: a wrong one leaves the
// old one at work, a right one takes its place in the same process, and nothing is
// lost or sent for a second time.
func TestReload(t *testing.T) {
	eachAPI(t, func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 50, simulator.Options{RecordHistory: true, Dedupe: map[string][]string{"Item": {"id"}}})
		p := w.start()
		load := w.startLoad(50, 5, 5*time.Millisecond)
		load.await(t, 50)
		for what, wrong := range map[string]string{
			"is not a key": strings.Replace(items, "attributes", "atributes", 1),
			"nothere":      strings.Replace(items, "pad: pad", "pad: nothere", 1),
		} {
			w.config.mappings = wrong
			w.configure()
			if output, code := w.command("reload", "--address", w.config.listen); code != 2 || !strings.Contains(output, "the old configuration goes on") || !strings.Contains(output, what) {
				t.Errorf("%s: exit code %d: %s", what, code, output)
			}
		}
		w.config.mappings = strings.Replace(items, "{id: id}", "{id: version}", 1)
		w.configure()
		if output, code := w.command("reload"); code != 3 || !strings.Contains(output, "has another key") {
			t.Errorf("another key: exit code %d: %s", code, output)
		}
		w.awaitReady(p)

		// Three times by the command, and once by SIGHUP.
		for _, wait := range []string{"90ms", "110ms", "120ms"} {
			w.config.mappings, w.config.maxWait = strings.Replace(items, "{version", "{copy: id, version", 1), 0
			w.config.maxWait, _ = time.ParseDuration(wait)
			w.configure()
			output := w.succeeds("reload")
			if !strings.Contains(output, "delivery.max_wait") || wait == "90ms" && !strings.Contains(output, "mapping items has changed: attributes.copy") {
				t.Errorf("reload: %s", output)
			}
			load.await(t, 20)
			w.awaitReady(p)
		}
		w.config.level = "debug"
		w.configure()
		if signal.Ignored(syscall.SIGHUP) { // as under nohup: then the program ignores it, too
			w.succeeds("reload")
		} else {
			p.signal(t, syscall.SIGHUP)
		}
		p.awaitLog(t, "changed=[log.level]")
		load.await(t, 20)
		w.awaitReady(p)
		load.stop()
		w.exec(`UPDATE items SET version = version + 1`)
		w.settle(p)
		w.itemsAgree()
		w.neverTwice()
		for id, object := range w.sim.Objects("Item") {
			if object["copy"] != id {
				t.Fatalf("object %s lacks what the new configuration makes: %v", id, object)
			}
		}
		if !w.noted("copy added", "cdcsync backfill start items") {
			t.Errorf("notes: %q", w.status().Notices)
		}
		p.stop(t)
	})
}

// TestHangupDuringAStart: a SIGHUP that comes before the daemon delivers is heeded as
// soon as it does, and does not end it.
func TestHangupDuringAStart(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("the program ignores SIGHUP, as under nohup")
	}
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newItems(t, server, api, 10, simulator.Options{})
		var proxy *faultproxy.Proxy
		proxy, w.config.url = behindProxy(t, w.config.url)
		proxy.Set(faultproxy.Faults{Down: faultproxy.Flow{Cut: 1}})
		p := w.launch()
		p.awaitLog(t, "waiting for postgresql")
		w.config.level = "debug"
		w.configure()
		p.signal(t, syscall.SIGHUP)
		p.awaitLog(t, "configuration is read again later")
		proxy.Set(faultproxy.Faults{})
		p.awaitLog(t, "changed=[log.level]")
		w.awaitReady(p)
		p.stop(t)
	})
}

// TestReloadKeepsPauses: what is paused is paused in the next configuration, too.
func TestReloadKeepsPauses(t *testing.T) {
	oneAPI(t, "rest", func(t *testing.T, api string) {
		t.Parallel()
		w := newTwo(t, api)
		p := w.start()
		w.succeeds("pause", "items")
		w.exec(`UPDATE items SET version = 1`)
		w.exec(`INSERT INTO others VALUES (1, 0)`)
		began := time.Now()
		w.succeeds("reload")
		await(t, time.Minute, func() (bool, string) {
			return strings.Count(p.output.String(), "msg=streaming") == 2, "no second start"
		})
		w.awaitState("mapping_paused")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		if n := len(w.sim.Objects("Item")); n != 0 {
			t.Errorf("%d objects of a paused mapping were sent", n)
		}
		w.succeeds("resume")
		w.settle(p)
		w.itemsAgree()
		// Whoever asks between the two configurations waits for the new one.
		for range 10 {
			w.succeeds("reload")
			w.succeeds("pause", "items")
			w.succeeds("resume")
			w.awaitReady(p)
		}
		p.stop(t)
	})
}
