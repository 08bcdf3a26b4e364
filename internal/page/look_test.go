package page_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// look is how a page is looked at.
type look struct {
	name          string
	width, height int64
	features      []*emulation.MediaFeature
}

var looks = []look{
	{"light", 1280, 900, []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}},
	{"dark", 1280, 900, []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}},
	{"phone", 390, 844, []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}, {Name: "prefers-reduced-motion", Value: "reduce"}}},
}

// audit is a script that lists what is wrong for people who see little, or use no
// mouse: contrast as WCAG 2.2 has it (1.4.3), names, and room for a phone.
const audit = `(() => {
	const wrong = [];
	const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const parse = (color) => (color.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
	const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
	const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
	const background = (e) => {
		const layers = [];
		for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
		return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
	};
	const visible = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getClientRects().length > 0;
	const name = (e) => e.tagName.toLowerCase() + (e.className && e.className.baseVal === undefined ? "." + e.className : "") + " " + JSON.stringify(e.textContent.trim().slice(0, 40));
	for (const e of document.querySelectorAll("body *")) {
		if (!visible(e) || e.closest("svg, .u-wrap, :disabled")) continue;
		const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
		const style = getComputedStyle(e);
		if (words) {
			const below = background(e), ink = over(parse(style.color), below);
			const [light, dark] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
			const ratio = (light + 0.05) / (dark + 0.05);
			const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
			if (ratio < (large ? 3 : 4.5)) wrong.push("contrast " + ratio.toFixed(2) + " of " + name(e));
			if (size < 11) wrong.push("letters of " + size + "px in " + name(e));
		}
	}
	for (const e of document.querySelectorAll("a, button, input, select, textarea, [tabindex], [role=meter], [role=region]")) {
		if (!visible(e)) continue;
		const by = (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
		const label = e.getAttribute("aria-label") || by.trim() || [...(e.labels ?? [])].map((l) => l.textContent).join(" ").trim() || (["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName) ? "" : e.textContent.trim());
		if (!label) wrong.push("no name: " + e.outerHTML.slice(0, 80));
	}
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push("id twice: " + id);
	for (const table of document.querySelectorAll("table:not(.u-legend)")) if (!table.querySelector("thead th[scope=col]")) wrong.push("a table without headers");
	if (document.querySelectorAll("h1").length !== 1) wrong.push(document.querySelectorAll("h1").length + " headings of the first level");
	let level = 0;
	for (const e of document.querySelectorAll("h1, h2, h3")) {
		const n = Number(e.tagName[1]);
		if (n > level + 1) wrong.push("heading skips a level: " + name(e));
		level = n;
	}
	if (!document.documentElement.lang) wrong.push("no language");
	if (document.documentElement.scrollWidth > innerWidth) {
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.parentElement.closest(".scroll, nav"));
		wrong.push("wider than the window by " + (document.documentElement.scrollWidth - innerWidth) + ": " + wide.slice(0, 3).map(name).join(" | "));
	}
	return wrong.join("\n");
})()`

// view is one to look at.
type view struct {
	name, path string
	// wants is what it says once it is there, in main.
	wants string
	stage func(*testing.T) *stage
	act   func(*tab)
}

func views() []view {
	in := func(change func(*stage)) func(*testing.T) *stage {
		return func(t *testing.T) *stage {
			return newStage(t, well(), func(s *stage) {
				s.login = withToken
				change(s)
			})
		}
	}
	return []view{
		{"overview", "/", "Everything committed", in(func(s *stage) { s.history = hours() }), func(b *tab) { b.sees(".keys", "created", "limit 50") }},
		{"overview-ill", "/", "Not ready", in(func(s *stage) { s.status = ill() }), nil},
		{"parked", "/#/parked", "What to do", in(func(s *stage) { s.parked = lot(140) }), func(b *tab) {
			b.click("button[aria-label='Objects of roadshow']")
			b.sees(".inner", "1 to 50 of 80")
		}},
		{"parked-values", "/#/parked", "What to do", in(func(s *stage) { s.parked = lot(21) }), func(b *tab) {
			b.login()
			b.click("[data-act=values]")
			b.click("button[aria-label='Objects of orders']")
			b.sees(".inner", "id=1003", "is not a number")
		}},
		{"parked-none", "/#/parked", "Nothing is parked", in(func(*stage) {}), nil},
		{"trace", "/#/trace", "Where is this row?", in(func(s *stage) { s.traced = traced() }), func(b *tab) {
			b.fill("[name=key]", "42")
			b.click("form button")
			b.sees(".traced", "On its way")
		}},
		{"backfills", "/#/backfills", "So far", in(func(s *stage) { s.backfills = loads() }), nil},
		{"login", "/", "Mappings", in(func(*stage) {}), func(b *tab) {
			b.click("button[aria-label='Pause orders']")
			b.sees("dialog", "Log in")
		}},
		{"pause", "/", "Mappings", in(func(*stage) {}), func(b *tab) {
			b.login()
			b.click("button[aria-label='Pause orders']")
			b.sees("dialog", "Pause orders?")
		}},
	}
}

func TestViewsCanBeReadByAll(t *testing.T) {
	t.Parallel()
	for _, v := range views() {
		s := v.stage(t)
		for _, look := range looks {
			t.Run(v.name+" "+look.name, func(t *testing.T) {
				t.Parallel()
				b := open(t, "about:blank", look.width, look.height)
				call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: look.features})
				b.do(chromedp.Navigate(s.URL + v.path))
				b.sees("main", v.wants)
				if v.act != nil {
					v.act(b)
				}
				b.picture(v.name + "-" + look.name)
				if wrong := js[string](b, audit); wrong != "" {
					t.Error(wrong)
				}
				b.quiet()
			})
		}
	}
}

// The audit finds what it looks for.
func TestAuditFindsPlantedFaults(t *testing.T) {
	t.Parallel()
	b := open(t, "about:blank", 600, 400)
	for planted, want := range map[string]string{
		`<p>All is well.</p>`:                                          "",
		`<p style="color: #888">It is grey.</p>`:                       "contrast 3.54 of p",
		`<p style="color: #fff; background: #0a7">White on green.</p>`: "contrast ",
		`<p style="font-size: 9px">It is small.</p>`:                   "letters of 9px",
		`<input>`: "no name: <input>",
		`<button><svg width="9" height="9"></svg></button>`: "no name: <button>",
		`<p id="a">One</p><p id="a">Two</p>`:                "id twice: a",
		`<table><tbody><tr><td>1</td></tr></tbody></table>`: "a table without headers",
		`<h1>Again</h1>`:                       "2 headings of the first level",
		`<h3>Deep</h3>`:                        "heading skips a level: h3",
		`<div style="width: 900px">Wide</div>`: "wider than the window by",
		`<label>Key <input></label><button aria-label="Close"></button><h2>Next</h2><p>Fine</p>`: "",
	} {
		document := `<!doctype html><html lang="en"><meta charset="utf-8"><body style="margin: 0; background: #fff"><h1>Planted</h1>` + planted
		b.do(chromedp.Navigate("data:text/html," + url.PathEscape(document)))
		got := js[string](b, audit)
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: found %q, want %q", planted, got, want)
		}
	}
	b.do(chromedp.Navigate("data:text/html," + url.PathEscape(`<!doctype html><h1>Planted</h1>`)))
	if got := js[string](b, audit); got != "no language" {
		t.Errorf("without a language: found %q", got)
	}
}

// Everything can be reached by Tab alone, the first of all a way past the menu,
// and what has the focus shows it.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	b := open(t, newStage(t, well(), func(s *stage) { s.login = withToken }).URL, 1280, 900)
	b.sees("#session", "Log in")
	b.sees("main", "Everything committed by")
	var reached []string
	for range 40 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := js[string](b, `(() => { const e = document.activeElement; const s = getComputedStyle(e); return e.tagName + " " + (e.getAttribute("aria-label") ?? e.textContent.trim()).slice(0, 30) + (s.outlineStyle === "none" ? " WITHOUT A MARK" : ""); })()`)
		if strings.HasPrefix(at, "BODY") {
			break
		}
		reached = append(reached, at)
	}
	all := strings.Join(reached, "\n")
	if len(reached) == 0 || reached[0] != "A Skip to content" {
		t.Errorf("first: got %q", reached)
	}
	for _, want := range []string{"A Overview", "A Parked", "A Trace", "A Backfills", "BUTTON Log in", "SUMMARY Places in the WAL", "A Metrics"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not reached by Tab:\n%s", want, all)
		}
	}
	if strings.Contains(all, "WITHOUT A MARK") {
		t.Errorf("the focus does not show:\n%s", all)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".skip").focus()`), chromedp.KeyEvent(kb.Enter))
	if got := js[string](b, "document.activeElement.id"); got != "content" {
		t.Errorf("skipping leads to %q, want the content", got)
	}
}

// What changes by itself takes the focus from nobody.
func TestFocusStaysWhileThePageChanges(t *testing.T) {
	t.Parallel()
	s := newStage(t, well())
	b := open(t, s.URL, 1280, 900)
	b.sees("main", "Everything committed by")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("summary").focus(); document.querySelector("details").open = true; window.kept = document.querySelector("summary")`))
	s.say(more(func(r *report) { r.Pending = 99_999 }))
	b.sees(".figure", "99,999")
	if !js[bool](b, `document.activeElement === window.kept && document.querySelector("details").open`) {
		t.Error("the focus is lost, or what was open is closed")
	}
}

// Who wants nothing to move is shown nothing that does.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	s := newStage(t, well())
	b := open(t, "about:blank", 1280, 900)
	moves := `[...document.querySelectorAll("*")].filter((e) => ["transitionDuration", "animationDuration"].some((p) => parseFloat(getComputedStyle(e)[p]) > 0)).length`
	for _, want := range []bool{true, false} {
		value := map[bool]string{true: "no-preference", false: "reduce"}[want]
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: value}}})
		b.do(chromedp.Navigate(s.URL))
		b.sees("main", "Everything committed by")
		if n := js[int](b, moves); (n > 0) != want {
			t.Errorf("%s: %d elements move", value, n)
		}
	}
}
