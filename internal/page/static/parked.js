// Objects that Marketo did not take: what `cdcsync parked` says and does.

import { act, allowed, ask, onSession, say, session } from "./act.js";
import { get } from "./api.js";
import { h, td } from "./dom.js";
import { moment, number, plural, sentence, zone } from "./words.js";

const pageSize = 50;
const at = { groups: null, open: null, pages: [], list: null, values: false, problem: "", seen: -1, drawn: 0 };
let redraw = () => {};

onSession(() => {
  if (!session.may && at.values) {
    at.values = false;
    load();
  }
});

let asked = 0;

async function load() {
  const mine = ++asked;
  const values = at.values ? "true" : "false";
  const answer = { problem: "" };
  try {
    answer.groups = await get("/api/v1/parked", { limit: 0, values });
    if (at.open) {
      answer.list = await get("/api/v1/parked", { ...at.open, limit: pageSize, values, after: at.pages.at(-1) });
    }
  } catch (err) {
    answer.problem = err.message;
  }
  if (mine !== asked) return; // it was asked again, for something else maybe
  Object.assign(at, answer, { drawn: Date.now() });
  redraw();
}

const codeOf = (code) => code || "-";

function selector(data) {
  return data.id ? { key: data.id, mapping: data.mapping } : { mapping: data.mapping, code: data.code };
}

function acted(done, again) {
  return (a) => [`${plural(a.done, "object")} ${done}.`, again, a.missing > 0 && `${number(a.missing)} done with by a newer change in between.`, a.problems?.length && `Not queued: ${a.problems[0]}`].filter(Boolean).join(" ");
}

const actions = {
  open({ mapping, code }) {
    const same = at.open && at.open.mapping === mapping && at.open.code === code;
    Object.assign(at, { open: same ? null : { mapping, code }, pages: [], list: null });
    load();
  },
  more() {
    at.pages.push(at.list.next);
    load();
  },
  back() {
    at.pages.pop();
    load();
  },
  async values() {
    if (!at.values && !(await allowed())) return;
    at.values = !at.values;
    load();
  },
  async retry(data) {
    if (await act("/api/v1/parked/retry", selector(data), acted("queued again", "Those that are refused again come back here."))) load();
  },
  async discard(data) {
    if (!(await allowed())) return;
    const what = data.id ? "this object" : plural(Number(data.count), "object");
    const sure = await ask({
      title: `Discard ${what}?`,
      body: h("p", null, `What was to be written is given up, and is not in Marketo. The next change of ${data.id || data.count === "1" ? "its row" : "one of the rows"} is sent again.`),
      go: "Discard", danger: true,
    });
    if (sure && (await act("/api/v1/parked/discard", selector(data), acted("given up")))) load();
  },
  async show({ id, mapping }) {
    if (!(await allowed())) return;
    try {
      const e = await get(`/api/v1/parked/${encodeURIComponent(id)}`, { mapping });
      const row = (name, value) => [h("dt", null, name), h("dd", null, value)];
      await ask({
        title: `${e.object} ${e.key || "without a key"}`, no: "Close",
        body: [
          h("dl", { class: "facts" }, row("Code", codeOf(e.code)), row("Message", e.message), row("Operation", e.operation), row("Changed", `${moment(e.committed)}, at ${e.lsn}`), row("Tries", number(e.attempts))),
          h("h3", null, "What was to be written"),
          h("pre", { tabindex: "0", "aria-label": "What was to be written" }, JSON.stringify(e.payload, null, 2)),
        ],
      });
    } catch (err) {
      say(err.message);
    }
  },
};

export const parked = {
  actions,
  enter(draw) {
    redraw = draw;
    at.seen = -1;
  },
  leave() {
    redraw = () => {};
    asked++;
    Object.assign(at, { groups: null, open: null, pages: [], list: null, values: false, problem: "" }); // values are asked for each time
  },
  draw({ status }) {
    const n = status.report?.parked_objects ?? 0;
    if (n !== at.seen || Date.now() - at.drawn > 15000) {
      at.seen = n;
      at.drawn = Date.now();
      load();
    }
    if (at.groups === null) return [h("h1", null, "Parked objects"), h("p", { class: "muted" }, at.problem || "Asking the daemon…")];
    const total = at.groups.total;
    return [
      h("div", { class: "head" },
        h("h1", null, total === 0 ? "Nothing is parked" : `${plural(total, "object is", "objects are")} parked`),
        total > 0 && h("button", { type: "button", "data-act": "values", "aria-pressed": at.values ? "true" : "false" }, at.values ? "Hide values" : "Show values")),
      h("p", { class: "muted lede" }, total === 0
        ? "Marketo took every object that was sent, or what it refused is done with."
        : `Marketo did not take them as they are; others go on. ${at.values ? "Keys and Marketo's words are shown." : "Keys and Marketo's words may hold values of rows, and are shown when you ask."} Times are ${zone()}.`),
      at.problem && h("p", { class: "bad", role: "alert" }, sentence(at.problem)),
      codes(at.groups.groups).map(section),
    ];
  },
};

// codes are the groups by code, the code with the most objects first.
function codes(groups) {
  const all = new Map();
  for (const g of groups) {
    if (!all.has(g.code)) all.set(g.code, []);
    all.get(g.code).push(g);
  }
  const count = (list) => list.reduce((sum, g) => sum + g.count, 0);
  return [...all.values()].sort((a, b) => count(b) - count(a));
}

function section(groups) {
  const { code, who, what_to_do } = groups[0];
  const id = `code-${codeOf(code)}`;
  return h("section", { class: "code", "data-key": id, "aria-labelledby": id },
    h("h2", { id }, h("span", { class: "tag warn" }, code ? `Code ${code}` : "No code"), ` ${plural(groups.reduce((sum, g) => sum + g.count, 0), "object")}`),
    h("p", { class: "advice" }, h("b", null, "What to do: "), sentence(what_to_do), who && h("span", null, who.startsWith("nobody") ? " Nobody has to do anything." : ` Who can: ${who}.`)),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id }, h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Mapping"), h("th", { scope: "col", class: "n" }, "Objects"),
        h("th", { scope: "col", class: "n" }, "Tried again by itself"), h("th", { scope: "col" }, "First"), h("th", { scope: "col" }, "Last"), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Actions")))),
      h("tbody", null, groups.map(group)))));
}

function group(g) {
  const open = at.open && at.open.mapping === g.mapping && at.open.code === codeOf(g.code);
  const data = { "data-mapping": g.mapping, "data-code": codeOf(g.code), "data-count": g.count };
  return [
    h("tr", { "data-key": g.mapping },
      h("th", { scope: "row" }, g.mapping, g.message && h("p", { class: "flag" }, g.message)),
      td("Objects", { class: "n" }, number(g.count)), td("Tried again", { class: g.waiting ? "n" : "n nil" }, number(g.waiting)),
      td("First", { class: "nowrap" }, moment(g.first)), td("Last", { class: "nowrap" }, moment(g.last)),
      h("td", { class: "actions" },
        h("button", { type: "button", "data-act": "open", "aria-expanded": open ? "true" : "false", "aria-label": `Objects of ${g.mapping}`, ...data }, open ? "Hide" : "Objects"),
        h("button", { type: "button", "data-act": "retry", "aria-label": `Retry those of ${g.mapping}`, ...data }, "Retry"),
        h("button", { type: "button", "data-act": "discard", class: "danger", "aria-label": `Discard those of ${g.mapping}`, ...data }, "Discard"))),
    open && h("tr", { "data-key": `${g.mapping}/objects`, class: "inner" }, h("td", { colspan: 6 }, entries(g))),
  ];
}

function entries(g) {
  if (!at.list) return h("p", { class: "muted" }, "Asking the daemon…");
  const from = at.pages.length * pageSize;
  const col = (text, kind) => h("th", { scope: "col", class: kind }, text);
  return [
    h("table", { "aria-label": `Objects of ${g.mapping}` },
      h("thead", null, h("tr", null, col("Id"), at.values && col("Key"), col("Operation"), col("Tries", "n"), col("Parked"), col("Next try"), at.values && col("Message"), col(h("span", { class: "hidden" }, "Actions")))),
      h("tbody", null, at.list.entries.map((e) => {
        const data = { "data-id": e.id, "data-mapping": e.mapping };
        return h("tr", { "data-key": e.id },
          td("Id", null, h("code", null, e.id)), at.values && td("Key", null, e.key || h("span", { class: "muted" }, "none")),
          td("Operation", null, e.operation), td("Tries", { class: "n" }, number(e.attempts)), td("Parked", { class: "nowrap" }, moment(e.first)),
          td("Next try", { class: "nowrap" }, e.next ? moment(e.next) : h("span", { class: "muted" }, "when asked")), at.values && td("Message", { class: "words" }, e.message),
          h("td", { class: "actions" },
            h("button", { type: "button", "data-act": "show", "aria-label": `Show ${e.id}`, ...data }, "Show"),
            h("button", { type: "button", "data-act": "retry", "aria-label": `Retry ${e.id}`, ...data }, "Retry"),
            h("button", { type: "button", "data-act": "discard", class: "danger", "aria-label": `Discard ${e.id}`, ...data }, "Discard")));
      }))),
    at.list.total > pageSize && h("div", { class: "pager" },
      h("button", { type: "button", "data-act": "back", disabled: at.pages.length === 0 }, "Back"),
      h("span", { class: "muted" }, `${number(from + 1)} to ${number(from + at.list.entries.length)} of ${number(at.list.total)}`),
      h("button", { type: "button", "data-act": "more", disabled: !at.list.next }, "Next")),
  ];
}
