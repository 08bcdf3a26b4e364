// How numbers, amounts and times are written: as the command line does.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const upToTenth = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const number = (n) => whole.format(n ?? 0);
export const decimal = (n) => tenth.format(n);

export const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many ?? `${one}s`}`;

export function amount(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (bytes >= 1024 && at < units.length - 1) {
    bytes /= 1024;
    at++;
  }
  return at === 0 ? `${bytes} B` : `${upToTenth.format(bytes)} ${units[at]}`;
}

export function span(seconds) {
  const s = Math.max(seconds, 0);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${tenth.format(s)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const day = { year: "numeric", month: "2-digit", day: "2-digit" };
const clockOf = new Intl.DateTimeFormat("en-CA", { ...time, timeZoneName: "short" });
const dayOf = new Intl.DateTimeFormat("en-CA", day);

// clock is a time with its zone, and with its day where that is not today.
export function clock(at) {
  const date = new Date(at);
  const text = clockOf.format(date);
  return dayOf.format(date) === dayOf.format(new Date()) ? text : `${dayOf.format(date)} ${text}`;
}

// moment is a time without its zone, for tables that say the zone once.
export function moment(at) {
  const date = new Date(at);
  const text = clockOf.format(date).replace(/ .*$/, "");
  return dayOf.format(date) === dayOf.format(new Date()) ? text : `${dayOf.format(date)} ${text.slice(0, 5)}`;
}

export const zone = () =>
  new Intl.DateTimeFormat("en-CA", { timeZoneName: "short" }).formatToParts(new Date()).find((p) => p.type === "timeZoneName").value;

// sentence begins with a capital, unless it begins with a command or a key.
export const sentence = (text) =>
  text ? (/^(cdcsync |[a-z]+[_.])/.test(text) ? text : text[0].toUpperCase() + text.slice(1)) + (/[.!?]$/.test(text) ? "" : ".") : "";

export const state = (word) => word.replaceAll("_", " ");
