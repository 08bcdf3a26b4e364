package page_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one headless Chromium for all tests of the package.
var browser struct {
	once   sync.Once
	ctx    context.Context
	err    error
	cancel []context.CancelFunc
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, cancel := range browser.cancel {
		cancel()
	}
	os.Exit(code)
}

// chromium is the program; scripts/setup --tests installs Debian's.
func chromium() (string, error) {
	if path := os.Getenv("CDCSYNC_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium-headless-shell", "headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: scripts/setup --tests installs one, or name it in CDCSYNC_CHROMIUM")
}

func startBrowser() {
	path, err := chromium()
	if browser.err = err; err != nil {
		return
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("font-render-hinting", "none"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, end := chromedp.NewContext(allocator)
	browser.ctx, browser.cancel = ctx, []context.CancelFunc{end, stop}
	browser.err = chromedp.Do(ctx)
}

// tab is a tab that shows a page.
type tab struct {
	testing.TB
	ctx context.Context

	mu sync.Mutex
	// complaints are errors of scripts, and what the browser logs as errors.
	complaints []string
}

// open shows a page, in a tab of its own that is width by height pixels.
func open(t testing.TB, url string, width, height int64, actions ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	browser.once.Do(startBrowser)
	if browser.err != nil {
		if _, missing := chromium(); missing != nil {
			t.Skip(missing)
		}
		t.Fatal(browser.err)
	}
	b := &tab{TB: t}
	ctx, closeTab := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"})
	b.do(actions...)
	b.do(chromedp.Navigate(url))
	return b
}

func (b *tab) listen(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			text += " " + thrown.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError {
			return
		}
		text = e.Entry.Text + " " + e.Entry.URL
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// quiet fails if the browser complained of anything but what is allowed.
func (b *tab) quiet(allowed ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, text := range b.complaints {
		for _, part := range allowed {
			if strings.Contains(text, part) {
				continue next
			}
		}
		b.Errorf("the browser complains: %s", text)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// call has the browser do something that there is no action for.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// js evaluates an expression.
func js[T any](b *tab, expression string, options ...chromedp.EvaluateOption) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		b.Fatal(err)
	}
	return value
}

func (b *tab) text(selector string) string {
	b.Helper()
	return js[string](b, fmt.Sprintf("[...document.querySelectorAll(%q)].map((e) => e.innerText).join('\\n')", selector))
}

// sees waits until the elements of a selector say something.
func (b *tab) sees(selector string, wants ...string) {
	b.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		got = b.text(selector)
		missing := ""
		for _, want := range wants {
			if !strings.Contains(got, want) {
				missing = want
			}
		}
		if missing == "" {
			return
		}
	}
	b.Fatalf("%s says:\n%s\nwant in it: %q", selector, got, wants)
}

// lacks waits until they do not say it, or are gone.
func (b *tab) lacks(selector, unwanted string) {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if !strings.Contains(b.text(selector), unwanted) {
			return
		}
	}
	b.Fatalf("%s still says %q:\n%s", selector, unwanted, b.text(selector))
}

// click waits for an element and clicks on it.
func (b *tab) click(selector string) {
	b.Helper()
	b.do(chromedp.Click(selector, chromedp.NodeVisible))
}

// fill types into a field.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.do(chromedp.SendKeys(selector, text, chromedp.NodeVisible))
}

// login logs in with the token.
func (b *tab) login() {
	b.Helper()
	b.sees("#session", "Log in")
	b.click("#session")
	b.fill("dialog [name=token]", token)
	b.click("dialog button[type=submit]")
	b.sees("#session", "Log out")
}

// picture keeps a screenshot where CDCSYNC_SCREENSHOTS names a folder, to look at.
func (b *tab) picture(name string) {
	b.Helper()
	folder := os.Getenv("CDCSYNC_SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(folder+"/"+name+".png", png, 0o644); err != nil {
		b.Fatal(err)
	}
}
