// Rows that tables have, on their way: what `cdcsync backfill` says and does.

import { act, allowed, ask } from "./act.js";
import { bar, h, td } from "./dom.js";
import { decimal, moment, number, plural, sentence, span, zone } from "./words.js";

function done(what) {
  return ({ backfills }) => (backfills?.length ? `${what}: ${backfills.map((b) => b.mapping).join(", ")}.` : `No backfill could be ${what.toLowerCase()}.`);
}

function cost(b) {
  return [`${b.mapping}: about ${plural(b.rows_estimate, "row")}, ${plural(b.calls_left, "call")}`, b.seconds_left > 0 && `${span(b.seconds_left)} at the limits`, b.share_of_day > 0 && `${decimal(100 * b.share_of_day)} % of a day's calls`].filter(Boolean).join(", ");
}

export const backfills = {
  actions: {
    pause: ({ mapping }) => act("/api/v1/backfills/pause", { mappings: [mapping] }, done("Paused")),
    resume: ({ mapping }) => act("/api/v1/backfills/resume", { mappings: [mapping] }, done("Resumed")),
    async retry({ mapping }) {
      if (!(await allowed())) return;
      const sure = await ask({ title: `Send the refused rows of ${mapping} once more?`, body: h("p", null, "They are read as they are now. What is refused again is kept by the new backfill."), go: "Send them" });
      if (sure) await act("/api/v1/backfills/retry", { mappings: [mapping] }, (a) => (a.backfills ?? []).map(cost).join(" ") || "No row of it is refused any more.");
    },
    async cancel({ mapping }) {
      if (!(await allowed())) return;
      const sure = await ask({ title: `Cancel the backfill of ${mapping}?`, body: h("p", null, "What is on its way arrives; the rest of the rows is not sent."), go: "Cancel the backfill", danger: true, no: "Let it go on" });
      if (sure) await act("/api/v1/backfills/cancel", { mappings: [mapping] }, done("Cancelled"));
    },
  },
  async submit(form) {
    const { mapping, where, keys, force } = Object.fromEntries(new FormData(form));
    const what = { mappings: [mapping], where: where.trim() || undefined, keys: keys.split("\n").map((key) => key.trim()).filter(Boolean), force: force === "on" || undefined };
    if (!what.keys.length) delete what.keys;
    if (!(await allowed())) return;
    const some = what.keys ? plural(what.keys.length, "row") : what.where ? "the rows that match" : "all rows";
    const sure = await ask({
      title: `Send ${some} of ${mapping}?`,
      body: h("p", null, "Objects that Marketo does not have are created, which sets off campaigns that wait for that. Changes go first, and it can be paused and cancelled."),
      go: "Start",
    });
    if (sure) await act("/api/v1/backfills/start", what, (a) => (a.backfills ?? []).map(cost).join(" ") || "Started.");
  },
  draw({ status, backfills: all }) {
    const mappings = (status.report?.mappings ?? []).map((m) => m.name);
    const list = all?.backfills ?? [];
    return [
      h("div", { class: "head" }, h("h1", null, "Backfills")),
      h("p", { class: "muted lede" }, "Rows that a table has already are sent beside its changes, which go first."),
      list.length === 0 ? h("p", null, "There were none yet.") : table(list),
      h("section", { class: "start", "aria-labelledby": "start" },
        h("h2", { id: "start" }, "Send rows that a table has"),
        h("form", { class: "row", "data-form": "backfill" },
          h("label", { class: "field" }, h("span", null, "Mapping"), h("select", { name: "mapping", required: true }, mappings.map((name) => h("option", null, name)))),
          h("label", { class: "field grow" }, h("span", null, "Only where"), h("input", { name: "where", autocomplete: "off", spellcheck: "false", class: "mono", placeholder: "state == \"CA\"" }), h("small", { class: "muted" }, "An expression as in a mapping; left empty: all rows.")),
          h("label", { class: "field grow" }, h("span", null, "Only these keys"), h("textarea", { name: "keys", rows: 1, spellcheck: "false", class: "mono" }), h("small", { class: "muted" }, "One a line; left empty: all rows.")),
          h("label", { class: "check" }, h("input", { type: "checkbox", name: "force" }), " Send objects that Marketo has already as they are"),
          h("button", { type: "submit", class: "main" }, "Start…"))),
    ];
  },
};

function table(list) {
  const col = (text, kind) => h("th", { scope: "col", class: kind }, text);
  return h("section", { "aria-labelledby": "list" },
    h("h2", { id: "list" }, "So far"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "list" }, h("table", { class: "dense" },
      h("thead", null, h("tr", null, col("Mapping"), col("State"), col("Rows read"), col("Objects", "n"), col("Refused", "n"), col("Calls left", "n"), col("Time left", "n"), col(`Added, ${zone()}`), col(h("span", { class: "hidden" }, "Actions")))),
      h("tbody", null, [...list].sort((a, b) => b.id - a.id).map(row)))));
}

const kinds = { running: "good", failed: "bad", paused: "warn" };

function row(b) {
  const button = (name, text, kind) => h("button", { type: "button", "data-act": name, "data-mapping": b.mapping, class: kind, "aria-label": `${text} the backfill of ${b.mapping}` }, text);
  const part = b.rows_estimate > 0 ? b.rows / b.rows_estimate : 0;
  return h("tr", { "data-key": b.id },
    h("th", { scope: "row" }, h("span", { class: "nowrap" }, b.mapping, h("span", { class: "muted" }, ` → ${b.object}`)), (b.where || b.keys > 0) && h("p", { class: "flag" }, b.where ? ["where ", h("code", null, b.where)] : `of ${plural(b.keys, "key")}`)),
    td("State", null, h("span", { class: `tag ${kinds[b.state] ?? ""}` }, b.state), b.reason && h("p", { class: "flag" }, sentence(b.reason))),
    td("Rows read", { class: "progress" }, b.rows_estimate > 0 ? `${number(b.rows)} of about ${number(b.rows_estimate)}` : number(b.rows), !b.ended && bar(part, `Rows of ${b.mapping} that were read`)),
    td("Objects", { class: "n" }, number(b.objects)), td("Refused", { class: b.refused ? "n" : "n nil" }, number(b.refused)),
    td("Calls left", { class: "n" }, b.ended || !b.calls_left ? "–" : number(b.calls_left)), td("Time left", { class: "n" }, b.ended || !b.seconds_left ? "–" : span(b.seconds_left)),
    td("Added", { class: "nowrap" }, moment(b.added)),
    h("td", { class: "actions" },
      (b.state === "running" || b.state === "waiting") && button("pause", "Pause"),
      (b.state === "paused" || b.state === "failed") && button("resume", "Resume"),
      b.ended && b.refused > 0 && h("button", { type: "button", "data-act": "retry", "data-mapping": b.mapping, "aria-label": `Retry the refused rows of ${b.mapping}` }, "Retry"),
      !b.ended && button("cancel", "Cancel", "danger")));
}
