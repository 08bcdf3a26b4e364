// The overview: what `cdcsync status` says.

import { act, ask, allowed, field } from "./act.js";
import * as charts from "./charts.js";
import { bar, h, td } from "./dom.js";
import { amount, clock, decimal, number, plural, sentence, span, state as stateWords } from "./words.js";

const changed = (what) => ({ changed }) => (changed?.length ? `${what}: ${changed.join(", ")}.` : `Nothing was to be ${what.toLowerCase()}.`);

let last = null;

export const overview = {
  enter: charts.start,
  leave: charts.stop,
  drawn: (content) => last && charts.draw(content, last),
  actions: {
    span: ({ seconds }) => charts.choose(seconds),
    async pause({ mapping }) {
      if (!(await allowed())) return;
      const answer = await ask({
        title: mapping ? `Pause ${mapping}?` : "Pause all mappings?",
        body: h("p", null, "It waits until it is resumed, also over restarts. PostgreSQL keeps the WAL from its oldest change on."),
        fields: field("Why, for others to read", { name: "reason", autocomplete: "off" }), go: "Pause",
      });
      if (answer) await act("/api/v1/pause", { mappings: mapping ? [mapping] : undefined, reason: answer.reason || undefined }, changed("Paused"));
    },
    resume: ({ mapping }) => act("/api/v1/resume", { mappings: mapping ? [mapping] : undefined }, changed("Resumed")),
    async release({ mapping }) {
      if (!(await allowed())) return;
      const sure = await ask({ title: `Let ${mapping} delete?`, body: h("p", null, "It wants to delete more objects than delivery.max_deletes allows in an hour. Marketo cannot bring them back: see first whether these rows were to be deleted."), go: "Let it delete", danger: true });
      if (sure) await act("/api/v1/release", { mappings: [mapping] }, (a) => (a.problems?.length ? a.problems[0] : `${mapping} goes on.`));
    },
  },
  draw({ status, backfills }) {
    const report = status.report;
    last = report ?? null;
    return [
      lead(status),
      reasons(status),
      report && figures(report, status.time),
      report && charts.section(report),
      report && mappings(report.mappings ?? [], status.obstacles ?? []),
      report && running(backfills),
      notices(status.notices),
      report && details(report),
    ];
  },
};

function except(report) {
  if (!report?.parked_objects) return "";
  return [", except ", h("a", { href: "#/parked" }, plural(report.parked_objects, "parked object"))];
}

function freshness(status) {
  const report = status.report;
  if (!report) return status.state === "starting" ? "The daemon is starting." : "The daemon does not say how it is.";
  if (!report.confirmed_through) return "How much is in Marketo is not known yet: what the server had at the start is still being read.";
  const at = h("time", { datetime: report.confirmed_through }, clock(report.confirmed_through));
  return ["Everything committed by ", at, " is in Marketo", except(report), "."];
}

function lead(status) {
  const report = status.report;
  const behind = report?.behind_seconds ?? 0;
  return h("section", { class: "lead", "aria-label": "State" },
    h("p", { class: `state ${status.ready ? "good" : "bad"}` },
      h("span", { class: "dot", "aria-hidden": "true" }), status.ready ? "Ready" : "Not ready", h("span", { class: "word" }, stateWords(status.state))),
    h("h1", null, freshness(status)),
    report?.confirmed_through && h("p", { class: "muted" }, behind > 0 ? `That is ${span(behind)} ago.` : "Nothing is on its way."));
}

function reasons(status) {
  const all = status.obstacles ?? [];
  if (all.length === 0) return null;
  return h("section", { class: "reasons", "aria-labelledby": "reasons" },
    h("h2", { id: "reasons" }, all.length === 1 ? "Why it is not ready" : "Why it is not ready, the worst first"),
    h("ol", null, all.map((one) =>
      h("li", null,
        h("p", { class: "reason" }, h("span", { class: "tag bad" }, stateWords(one.state)), " ", sentence(one.reason)),
        one.advice && h("p", { class: "advice" }, h("b", null, "What to do: "), sentence(one.advice))))));
}

function figures(report, time) {
  return h("section", { class: "figures", "aria-label": "Figures" },
    waiting(report), parked(report), callsToday(report.calls, time), calls(report.calls), kept(report.source), slot(report.source));
}

function figure(name, value, unit, ...rest) {
  return h("div", { class: "figure", "data-key": name },
    h("h2", null, name),
    h("p", { class: "value" }, h("span", null, value), unit && h("small", null, ` ${unit}`)),
    rest);
}

const note = (...text) => h("p", { class: "muted" }, text);

function waiting(r) {
  return figure("Waiting", number(r.pending_objects), r.pending_objects === 1 ? "object" : "objects",
    note(amount(r.pending_bytes), r.backpressure && "; reading waits, PostgreSQL keeps the WAL"),
    r.held_keys > 0 && note(`Newer values of ${plural(r.held_keys, "key")} are held until a call with unknown outcome is over.`));
}

function parked(r) {
  return figure("Parked", number(r.parked_objects), r.parked_objects === 1 ? "object" : "objects",
    note(r.parked_objects === 0 ? "Marketo took everything." : h("a", { href: "#/parked" }, "See why, and what to do")));
}

function callsToday(c, time) {
  const left = (new Date(c.resets) - new Date(time)) / 1000;
  return figure("Calls today", number(c.today), c.limit ? `of ${number(c.limit)}` : "no limit",
    c.limit > 0 && bar(c.today / c.limit, "Calls used of the day's", c.today / c.limit > 0.9),
    note(`The day ends in ${span(left)}.`, forecast(c, left, time)),
    c.exhausted && note("Marketo says that they are used up."),
    c.pace_seconds > 0 && note(`They run short: batches that waiting can fill further leave every ${span(c.pace_seconds)}.`));
}

function forecast(c, left, time) {
  const gone = 86400 - left;
  if (!c.limit || !c.today || c.today >= c.limit || gone < 1800) return "";
  const rest = (gone / c.today) * (c.limit - c.today);
  return rest < left ? ` At the rate so far they are used up at ${clock(new Date(time).getTime() + rest * 1000)}.` : "";
}

function calls(c) {
  const faults = Object.entries(c.faults ?? {}).sort();
  return figure("Calls since the start", number(c.sent), "sent",
    note(`${number(c.in_flight)} in flight`, c.objects_per_call !== undefined && `, ${decimal(c.objects_per_call)} objects a call`,
      c.calls_per_1000_changes !== undefined && `, ${decimal(c.calls_per_1000_changes)} for 1,000 changes`, "."),
    c.limited && note(`The next one waits for the limit: ${c.limited}.`),
    c.unknown_outcomes > 0 && note(`${number(c.unknown_outcomes)} with an unknown outcome.`),
    faults.length > 0 && note(`Failed: ${faults.map(([name, n]) => `${name} ${number(n)}`).join(", ")}.`));
}

function kept(s) {
  const limit = s.retained_limit_bytes;
  return figure("WAL kept", amount(Math.max(s.retained_bytes, 0)), limit > 0 && `of ${amount(limit)}`,
    limit > 0 && bar(s.retained_bytes / limit, "WAL kept of what is allowed", s.retained_bytes / limit > 0.8),
    note(s.safe_bytes === undefined
      ? "PostgreSQL keeps it without limit."
      : `PostgreSQL may drop the slot after ${amount(Math.max(s.safe_bytes, 0))} more${s.drop_seconds > 0 ? `, in ${span(s.drop_seconds)} at this rate` : ""}.`));
}

function slot(s) {
  let way = "";
  if (s.growing) way = " It grows.";
  else if (s.catch_up_seconds >= 1) way = ` ${span(s.catch_up_seconds)} to go at this rate.`;
  return figure("Slot", amount(s.lag_bytes), "behind",
    note(h("code", null, s.slot), s.connected ? " is connected." : h("b", null, " is not connected."), way),
    s.transaction && note(`${number(s.transaction.changes)} changes read in ${span(s.transaction.seconds)} of a transaction committed at ${clock(s.transaction.committed)}.`));
}

const statuses = ["CREATED", "UPDATED", "UNCHANGED", "SKIPPED", "DELETED", "FAILED", "NONE"];

function mappings(all, obstacles) {
  if (all.length === 0) return null;
  const shown = statuses.filter((s) => all.some((m) => m.statuses?.[s] > 0));
  const head = (text, title) => h("th", { scope: "col", class: "n", title }, text);
  return h("section", { "aria-labelledby": "mappings" },
    h("div", { class: "head" }, h("h2", { id: "mappings" }, "Mappings"),
      h("span", { class: "buttons" },
        all.some((m) => m.paused) && h("button", { type: "button", "data-act": "resume", "data-key": "resume" }, "Resume all"),
        all.some((m) => !m.paused) && h("button", { type: "button", "data-act": "pause", "data-key": "pause" }, "Pause all"))),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "mappings" }, h("table", { class: "dense" },
      h("thead", null, h("tr", null,
        h("th", { scope: "col" }, "Mapping"),
        head("Waiting"), head("Parked"), head("P50", "half of all: from commit to confirmed"), head("P99", "99 of 100: from commit to confirmed"),
        head("Rows"), head("Filtered", "rows that ask for no object"), head("Merged", "writes merged into another before it was sent"), head("Unsent", "not sent, as Marketo had them"), head("Confirmed"),
        shown.map((s) => head(s[0] + s.slice(1).toLowerCase())), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Actions")))),
      h("tbody", null, all.map((m) => mapping(m, shown, obstacles))))));
}

function mapping(m, shown, obstacles) {
  const n = (label, value) => td(label, { class: value ? "n" : "n nil" }, number(value));
  const took = (label, seconds) => td(label, { class: seconds === undefined ? "n nil" : "n" }, seconds === undefined ? "–" : span(seconds));
  const flags = [["stopped", "bad"], ["blocked", "bad"], ["paused", "warn"]].filter(([flag]) => m[flag]);
  // The reasons above have it already where the mapping stands for one of them.
  const why = (text) => (obstacles.some((o) => o.reason.includes(text)) ? "" : text);
  const kept = m.paused && `${amount(m.paused_wal_bytes ?? 0)} of WAL are kept for it${m.left_from ? `, and what came since ${m.left_from} waits there` : ""}`;
  const words = { stopped: m.stopped && why(m.stopped), blocked: m.blocked && why(m.blocked), paused: m.paused && [why(m.paused), kept].filter(Boolean).join("; ") };
  return h("tr", { "data-key": m.name },
    h("th", { scope: "row" }, h("span", { class: "nowrap" }, m.name, h("span", { class: "muted" }, ` → ${m.object}`)),
      flags.map(([flag, kind]) => h("p", { class: "flag" }, h("span", { class: `tag ${kind}` }, flag), " ", words[flag])),
      m.deletes_held && h("p", { class: "flag" }, h("span", { class: "tag bad" }, "deletes held"), " it wants to delete more than delivery.max_deletes allows")),
    n("Waiting", m.pending), n("Parked", m.parked), took("P50", m.latency?.p50_seconds), took("P99", m.latency?.p99_seconds),
    n("Rows", m.rows), n("Filtered", m.rows_filtered), n("Merged", m.objects_coalesced), n("Unsent", m.objects_unchanged), n("Confirmed", m.objects_confirmed),
    shown.map((s) => n(s[0] + s.slice(1).toLowerCase(), m.statuses?.[s] ?? 0)),
    h("td", { class: "actions" },
      m.deletes_held && h("button", { type: "button", class: "danger", "data-act": "release", "data-mapping": m.name, "aria-label": `Release ${m.name}` }, "Release"),
      m.paused
        ? h("button", { type: "button", "data-act": "resume", "data-mapping": m.name, "aria-label": `Resume ${m.name}` }, "Resume")
        : h("button", { type: "button", "data-act": "pause", "data-mapping": m.name, "aria-label": `Pause ${m.name}` }, "Pause")));
}

function running(backfills) {
  const all = (backfills?.backfills ?? []).filter((b) => !b.ended);
  if (all.length === 0) return null;
  return h("section", { "aria-labelledby": "running" },
    h("h2", { id: "running" }, "Backfills"),
    h("ul", { class: "plain" }, all.map((b) => h("li", { "data-key": b.id },
      h("b", null, b.mapping), b.rows_estimate > 0 ? ` ${b.state}: ${number(b.rows)} of about ${number(b.rows_estimate)} rows` : ` ${b.state}: ${number(b.rows)} rows`, b.reason && `; ${b.reason}`,
      b.rows_estimate > 0 && bar(b.rows / b.rows_estimate, `Rows of ${b.mapping} that were read`)))),
    h("p", null, h("a", { href: "#/backfills" }, "All backfills")));
}

function notices(all) {
  if (!all?.length) return null;
  return h("section", { "aria-labelledby": "notices" }, h("h2", { id: "notices" }, "To know"),
    h("ul", { class: "notices" }, all.map((text) => h("li", null, sentence(text)))));
}

function details(report) {
  const s = report.source;
  const row = (name, value) => [h("dt", null, name), h("dd", null, value)];
  return h("details", { class: "details" }, h("summary", null, "Places in the WAL"),
    h("dl", null,
      row("end of the server's", h("code", null, s.server_lsn)), row("received", h("code", null, s.received_lsn)),
      row("checkpoint", h("code", null, s.checkpoint_lsn)), s.confirmed_lsn && row("acknowledged", h("code", null, s.confirmed_lsn)),
      row("connections made", number(s.connects))));
}
