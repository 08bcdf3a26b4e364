// The page: one view at a time, by what stands behind the # of its address.

import { live } from "./live.js";
import { fill, show } from "./dom.js";
import { clock, number, state as stateWords } from "./words.js";
import { login, logout, lookAtSession, onSession, session } from "./act.js";
import { backfills } from "./backfills.js";
import { overview } from "./overview.js";
import { parked } from "./parked.js";
import { trace } from "./trace.js";

const views = { "": overview, parked, trace, backfills };
const content = document.getElementById("content");
let now = { status: null, backfills: null, lost: null };
let current = null;

function route() {
  const name = location.hash.replace(/^#\/?/, "").split("?")[0];
  const view = views[name] ?? overview;
  if (current !== view) {
    current?.leave?.();
    current = view;
    content.replaceChildren();
    view.enter?.(draw);
    if (document.activeElement && document.activeElement.closest("nav")) content.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  draw();
}

function draw() {
  if (now.status) {
    show(content, current.draw(now));
    fill(content);
    current.drawn?.(content);
  }
}

const link = document.getElementById("link");
const lost = document.getElementById("lost");
const count = document.getElementById("parked-count");

function tellLink() {
  const gone = now.lost !== null;
  document.body.classList.toggle("stale", gone);
  lost.hidden = !gone;
  const words = gone
    ? `No answer from the daemon since ${clock(now.lost)}. ${now.status ? "What stands here is from then. " : ""}It is asked again by itself.`
    : "";
  if (lost.textContent !== words) lost.textContent = words;
  const kind = gone ? "no answer" : now.status ? "live" : "connecting";
  if (link.textContent !== kind) link.textContent = kind;
  link.dataset.kind = kind;
  if (!now.status) return;
  const parked = now.status.report?.parked_objects ?? 0;
  count.hidden = parked === 0;
  count.textContent = number(parked);
  document.getElementById("version").textContent = `cdcsync ${now.status.version}`;
  document.title = `${now.status.ready ? "" : "! "}${stateWords(now.status.state)}, cdcsync`;
}

content.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button && !button.disabled) current.actions?.[button.dataset.act]?.(button.dataset);
});
content.addEventListener("submit", (event) => {
  event.preventDefault();
  current.submit?.(event.target);
});

const who = document.getElementById("session");
onSession(() => {
  who.hidden = session.login === "none";
  who.textContent = session.login === "before" ? session.user || "Logged in" : session.may ? "Log out" : "Log in";
  who.disabled = session.login === "before";
  if (now.status) draw();
});
who.addEventListener("click", () => (session.may ? logout() : login()));
lookAtSession();

addEventListener("hashchange", () => location.hash !== "#content" && route());
route();
live((told) => {
  now = told;
  tellLink();
  draw();
});
