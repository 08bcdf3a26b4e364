// What the daemon tells by itself, and whether it still does.

import { get } from "./api.js";

const silence = 8000; // several events would have come by then
const unseen = 15000; // between two questions of a page that nobody sees

// live calls changed with {status, backfills, lost}: the last that was told, and
// since when there has been nothing. A browser has six connections to an address,
// whatever the number of its tabs: one that is hidden keeps none, and asks now and
// then, for its title.
export function live(changed) {
  const now = { status: null, backfills: null, lost: null };
  let source = null, heard = Date.now(), tried = Date.now(), again;
  const tell = () => changed(now);
  const hear = (name, told) => {
    now[name] = told;
    heard = Date.now();
    now.lost = null;
    tell();
  };
  const lose = () => {
    if (now.lost !== null) return;
    now.lost = heard;
    tell();
  };
  const close = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };
  const connect = () => {
    close();
    tried = Date.now();
    source = new EventSource("/api/v1/events");
    for (const name of ["status", "backfills"]) {
      source.addEventListener(name, (message) => hear(name, JSON.parse(message.data)));
    }
    source.addEventListener("error", () => {
      lose();
      // A browser gives up for good after an answer that is no stream.
      if (source?.readyState === EventSource.CLOSED) again = setTimeout(connect, 3000);
    });
  };
  const ask = async () => {
    tried = Date.now();
    try {
      hear("status", await get("/api/v1/status"));
    } catch {
      lose();
    }
  };
  setInterval(() => {
    const waited = Date.now() - tried;
    if (document.hidden) {
      if (waited > unseen) ask();
      return;
    }
    const silent = Date.now() - heard > silence;
    if (silent) lose();
    if (silent && waited > silence) connect(); // a connection that hangs is given up
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      ask();
    } else if (!source) connect();
  });
  if (document.hidden) ask();
  else connect();
}
