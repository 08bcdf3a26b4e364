// Where a row is, and why: what `cdcsync trace` says.

import { allowed, act } from "./act.js";
import { get } from "./api.js";
import { h } from "./dom.js";
import { clock, number, plural, sentence, span } from "./words.js";

const at = { asked: null, traced: null, marketo: null, values: false, problem: "", busy: false };
let redraw = () => {};

async function load() {
  at.busy = true;
  redraw();
  try {
    at.traced = await get("/api/v1/trace", { ...at.asked, values: at.values ? "true" : "false" });
    at.problem = "";
  } catch (err) {
    Object.assign(at, { traced: null, problem: err.message });
  }
  at.busy = false;
  redraw();
}

export const trace = {
  enter(draw) {
    redraw = draw;
  },
  leave() {
    redraw = () => {};
    Object.assign(at, { asked: null, traced: null, marketo: null, values: false, problem: "" });
  },
  actions: {
    async values() {
      if (!at.values && !(await allowed())) return;
      at.values = !at.values;
      load();
    },
    async marketo() {
      const answer = await act("/api/v1/trace/marketo", at.asked, () => "Marketo was asked, in one call.");
      if (answer) {
        at.marketo = answer;
        redraw();
      }
    },
  },
  submit(form) {
    const { mapping, key } = Object.fromEntries(new FormData(form));
    Object.assign(at, { asked: { mapping, key }, marketo: null });
    load();
  },
  draw({ status }) {
    const mappings = (status.report?.mappings ?? []).map((m) => m.name);
    return [
      h("div", { class: "head" }, h("h1", null, "Where is this row?")),
      h("p", { class: "muted lede" }, "It is looked for in its table as it is now, among what waits, among what is parked, and among what backfills left. Marketo itself is asked only when you say so."),
      h("form", { class: "row", "data-form": "trace" },
        h("label", { class: "field" }, h("span", null, "Mapping"), h("select", { name: "mapping", required: true }, mappings.map((name) => h("option", null, name)))),
        h("label", { class: "field grow" }, h("span", null, "Key"), h("input", { name: "key", required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": "key-note" })),
        h("button", { type: "submit", class: "main", disabled: at.busy }, "Trace"),
        h("p", { class: "muted", id: "key-note" }, "The values of the mapping's key columns, with commas between them, or as [\"a,b\",\"c\"] where one has a comma in it.")),
      at.problem && h("p", { class: "bad", role: "alert" }, sentence(at.problem)),
      at.traced && result(at.traced),
    ];
  },
};

function verdict(t) {
  if (t.queue?.length) return `On its way: it ${t.queue[0].waits}`;
  if (t.parked?.waits) return "Not in Marketo as its row is: it was refused, and is tried again by itself";
  if (t.parked) return "Not in Marketo as its row is: it was refused, and waits for somebody";
  if (t.refused?.length) return "A backfill could not send it; a change of the row since may have";
  if (t.unread) return "Nothing of it waits; its table could not be asked";
  if (t.rows === 0) return "No row has this key, and nothing of it waits";
  if (!t.matches) return "Its row is left out by where, and nothing of it waits";
  return "Nothing of it waits: what was committed of it, and received, is done with";
}

function rowText(t) {
  if (t.unread) return `not read: ${t.unread}`;
  if (t.rows === 0) return `none in ${t.table} now`;
  let text = t.rows > 1 ? `${number(t.rows)} rows in ${t.table} have this key now` : `there in ${t.table} now`;
  if (!t.matches) text += ", left out by where";
  else if (t.problem) text += `, which cannot become an object: ${t.problem}`;
  return text;
}

function queued(t, q) {
  let text = q.operation;
  if (q.mapping !== t.mapping) text += ` of mapping ${q.mapping}`;
  if (q.committed) text += ` committed at ${clock(q.committed)} (${q.lsn})`;
  else if (q.from === "backfill") text += " of a backfill";
  else if (q.from === "parked") text += ", parked and tried again";
  return `${text}, here for ${span((Date.now() - new Date(q.since)) / 1000)}: ${q.waits}`;
}

const difference = (differs) => (differs?.length ? `the row has other values now: ${differs.join(", ")}` : "the row is the same");
const reason = (code, message) => [code, message].filter(Boolean).join(" ") || "no code";

function result(t) {
  const row = (name, value) => [h("dt", null, name), h("dd", null, value)];
  const p = t.parked;
  return h("section", { class: "traced", "aria-live": "polite", "aria-label": "What was found" },
    h("p", { class: "mono muted" }, `${t.object} ${t.key}`),
    h("h2", { class: "verdict" }, sentence(verdict(t))),
    h("dl", { class: "facts" },
      row("Row", rowText(t)),
      t.queue?.length ? t.queue.map((q) => row("Queue", queued(t, q))) : row("Queue", "nothing of it"),
      p ? row("Parked", [`${p.operation}, ${reason(p.code, p.message)}; tried ${plural(p.attempts, "time")}, last at ${clock(p.last)}`, p.next && `; it is tried again at ${clock(p.next)}`, ". ", h("a", { href: "#/parked" }, "Parked objects")]) : row("Parked", "no"),
      (t.refused ?? []).map((r) => row("Refused", `of backfill ${r.backfill} at ${clock(r.at)}: ${reason(r.code, r.message)}${r.next ? `; it is tried again at ${clock(r.next)}` : ""}`)),
      t.confirmed && row("Confirmed", `${t.confirmed.status} at ${clock(t.confirmed.at)}${t.confirmed.lsn ? `, as of the commit at ${t.confirmed.lsn}` : ""}${t.confirmed.compared ? `; ${difference(t.confirmed.differs)}` : ""}`),
      at.marketo && row("Marketo", at.marketo.objects?.length
        ? at.marketo.objects.map((o) => h("p", null, ["has the object", o.guid && ` ${o.guid}`, o.updated_at && `, updated at ${o.updated_at}`, at.marketo.compared && `; ${difference(o.differs)}`]))
        : "has no such object"),
      t.confirmed_through && row("In Marketo", `every change committed by ${clock(t.confirmed_through)}, but for what stands here, and what is parked`)),
    h("div", { class: "buttons" },
      (p || t.refused?.length) && h("button", { type: "button", "data-act": "values", "aria-pressed": at.values ? "true" : "false" }, at.values ? "Hide Marketo's words" : "Show Marketo's words"),
      h("button", { type: "button", "data-act": "marketo" }, "Ask Marketo (one call)")));
}
