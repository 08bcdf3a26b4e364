// The last hours in numbers, drawn by uPlot.

import uPlot from "/page/vendor/uPlot.esm.js";
import { get } from "./api.js";
import { h } from "./dom.js";
import { decimal, number, span } from "./words.js";

const every = 10; // seconds between two points
const spans = [[1800, "30 minutes"], [3600, "1 hour"], [21600, "6 hours"]];
const shown = { seconds: 3600 };
const kept = { at: [], columns: {} };
let drawn = [];
let timer;

// columns are the lists of a history by name, statuses among them.
function columnsOf(answer) {
  const { at, every_seconds, objects, ...rest } = answer;
  return { ...rest, ...Object.fromEntries(Object.entries(objects ?? {}).map(([status, list]) => [`objects ${status}`, list])) };
}

async function load() {
  let answer;
  try {
    answer = await get("/api/v1/history", { after: kept.at.at(-1) });
  } catch {
    return; // the page says already that nobody answers
  }
  kept.at.push(...answer.at);
  for (const [name, list] of Object.entries(columnsOf(answer))) (kept.columns[name] ??= []).push(...list);
  const most = 21600 / every, over = kept.at.length - most;
  if (over > 0) for (const list of [kept.at, ...Object.values(kept.columns)]) list.splice(0, over);
  drawn.forEach(feed);
}

// rate is how much a count grows in so many seconds; nothing where it began anew,
// or where points are missing.
const rate = (name, seconds) => () =>
  kept.at.map((at, i) => {
    const list = kept.columns[name] ?? [];
    const took = at - kept.at[i - 1], grew = list[i] - list[i - 1];
    return i === 0 || grew < 0 || took > 3 * every ? null : (grew / took) * seconds;
  });

const value = (name) => () => kept.columns[name] ?? [];
const constant = (n) => () => kept.at.map(() => n || null);

// together adds several up; null where one of them is.
const together = (...parts) => () => {
  const lists = parts.map((part) => part());
  return kept.at.map((_, i) => lists.reduce((sum, list) => (sum === null || list[i] === null ? null : sum + list[i]), 0));
};

const status = (name) => rate(`objects ${name}`, 1);

function charts(report) {
  return [
    { title: "Behind", note: "age of what is in Marketo", write: span, series: [["behind", 1, value("behind_seconds"), true]] },
    { title: "Rows", note: "changes of mapped rows a second", write: decimal, series: [["rows a second", 1, rate("rows", 1), true]] },
    { title: "Objects", note: "a second, by Marketo's word on them", write: decimal, series: [
      ["created", 2, status("CREATED")], ["updated", 1, status("UPDATED")], ["deleted", 5, status("DELETED")], ["refused", 4, together(status("FAILED"), status("SKIPPED"))], ["not sent", 6, status("UNSENT")]] },
    { title: "Calls", note: "in 20 seconds, against the limit", write: decimal, series: [["calls", 1, rate("calls", 20), true], report.calls.limit_20s && ["limit", 4, constant(report.calls.limit_20s), false, true]].filter(Boolean) },
    { title: "Calls today", note: "against the limit of the day", write: number, series: [["used", 1, value("calls_today"), true], report.calls.limit && ["limit", 4, constant(report.calls.limit), false, true]].filter(Boolean) },
    { title: "Waiting and parked", note: "objects", write: number, series: [["waiting", 1, value("pending_objects"), true], ["parked", 3, value("parked_objects")]] },
  ];
}

// section describes the place of the charts; drawn there by draw.
export function section(report) {
  return h("section", { class: "charts", "aria-labelledby": "charts" },
    h("div", { class: "head" }, h("h2", { id: "charts" }, "The last hours"),
      h("span", { class: "buttons", role: "group", "aria-label": "How far back" }, spans.map(([seconds, text]) =>
        h("button", { type: "button", class: "small", "data-act": "span", "data-seconds": seconds, "aria-pressed": shown.seconds === seconds ? "true" : "false" }, text)))),
    h("div", { class: "grid" }, charts(report).map((c) =>
      h("figure", { class: "chart", "data-key": c.title },
        h("figcaption", null, h("b", null, c.title), h("span", { class: "muted" }, ` ${c.note}`)),
        h("div", { class: "plot", "data-own": true, "data-title": c.title, role: "img", "aria-label": `${c.title}: ${c.note}` }),
        h("p", { class: "keys", "data-own": true })))));
}

export function choose(seconds) {
  shown.seconds = Number(seconds);
  drawn.forEach(feed);
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function ticks(self, splits, write) {
  return splits.map((v) => (v === null ? "" : write(v)));
}

const short = (n) => (n >= 1e6 ? `${decimal(n / 1e6)}M` : n >= 1e4 ? `${number(n / 1e3)}k` : Number.isInteger(n) ? number(n) : String(Math.round(n * 100) / 100));
const shortSpan = (s) => (s >= 3600 ? `${Math.round(s / 360) / 10} h` : s >= 60 ? `${Math.round(s / 6) / 10} min` : `${Math.round(s * 10) / 10} s`);

function plot(place, chart) {
  const font = `11px ${css("--sans")}`;
  const axis = { stroke: css("--muted"), font, grid: { stroke: css("--line"), width: 1 }, ticks: { show: false } };
  const one = new uPlot({
    width: Math.max(place.clientWidth, 200), height: 132, legend: { show: false }, padding: [8, 4, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 } },
    scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(high * 1.1, chart.write === number ? 1 : 0.5)] } },
    axes: [
      { ...axis, size: 26, space: 70, grid: { show: false }, incrs: [60, 300, 600, 1800, 3600, 7200], values: "{HH}:{mm}" },
      { ...axis, size: 46, space: 34, values: (u, splits) => ticks(u, splits, chart.write === span ? shortSpan : short) },
    ],
    series: [{}, ...chart.series.map(([label, color, , area, dash]) => ({
      label, stroke: css(`--c${color}`), width: dash ? 1 : 1.5, dash: dash ? [4, 4] : undefined, fill: area ? `${css(`--c${color}`)}22` : undefined, points: { show: false },
    }))],
    hooks: { setCursor: [(u) => keys(place, chart, u)] },
  }, [[], ...chart.series.map(() => [])], place);
  return { place, chart, one };
}

function feed({ place, chart, one }) {
  const until = Math.max(kept.at.at(-1) ?? 0, Date.now() / 1000);
  const from = Math.max(until - shown.seconds, Math.min(kept.at[0] ?? 0, until - 120)); // a young daemon has not that much to show
  const first = Math.max(kept.at.findIndex((at) => at >= from), 0);
  const cut = (list) => list.slice(first);
  one.setData([cut(kept.at), ...chart.series.map(([, , data]) => cut(data()))], false);
  one.batch(() => {
    one.setScale("x", { min: from, max: until });
  });
  keys(place, chart, one);
}

// keys says the values at the cursor, or the last ones.
function keys(place, chart, u) {
  const line = place.nextElementSibling;
  const at = u.cursor.idx ?? u.data[0].length - 1;
  line.replaceChildren(...chart.series.flatMap(([label, color], i) => {
    const v = u.data[i + 1]?.[at];
    return [h("span", { class: `key c${color}` }, label, " ", h("b", null, v === null || v === undefined ? "–" : chart.write(v)))];
  }));
}

// draw draws what is not drawn yet.
export function draw(content, report) {
  const places = [...content.querySelectorAll(".plot")];
  if (places.length === 0 || places.every((place) => drawn.some((d) => d.place === place))) return;
  const all = charts(report);
  drawn = places.map((place) => plot(place, all.find((c) => c.title === place.dataset.title)));
  drawn.forEach(feed);
}

function again() {
  for (const d of drawn) d.one.destroy();
  drawn = drawn.map(({ place, chart }) => plot(place, chart));
  drawn.forEach(feed);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let width;
function resized() {
  clearTimeout(width);
  width = setTimeout(() => drawn.forEach(({ place, one }) => one.setSize({ width: Math.max(place.clientWidth, 200), height: 132 })), 120);
}

export function start() {
  load();
  timer = setInterval(() => !document.hidden && load(), every * 1000);
  dark.addEventListener("change", again);
  addEventListener("resize", resized);
}

export function stop() {
  clearInterval(timer);
  dark.removeEventListener("change", again);
  removeEventListener("resize", resized);
  for (const d of drawn) d.one.destroy();
  drawn = [];
}
