// What changes something, or shows values: whether it may, and what came of it.

import { get, post, Refused } from "./api.js";
import { h } from "./dom.js";

export const session = { login: "none", may: false, user: "", why: "" };
const listeners = [];

export function onSession(listener) {
  listeners.push(listener);
}

export async function lookAtSession() {
  try {
    Object.assign(session, { user: "", why: "" }, await get("/api/v1/session"));
  } catch {
    return; // the page says already that nobody answers
  }
  for (const listener of listeners) listener();
}

let timer;
// say shows for a while what came of something.
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.classList.add("on");
  clearTimeout(timer);
  timer = setTimeout(() => said.classList.remove("on"), 6000);
}

// ask opens a dialog and answers with what its form holds, or null.
export function ask({ title, body = [], fields = [], go, danger = false, no = "Cancel" }) {
  return new Promise((resolve) => {
    const opener = document.activeElement;
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
      h("form", null,
        h("h2", { id: "dialog-title" }, title), body, fields,
        h("div", { class: "buttons" },
          h("button", { type: "button", value: "no" }, no),
          go && h("button", { type: "submit", class: danger ? "danger" : "main" }, go))));
    const form = dialog.querySelector("form");
    let answer = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer = Object.fromEntries(new FormData(form));
      dialog.close();
    });
    form.querySelector("button[value=no]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      opener?.focus?.();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("input") ?? form.querySelector("button")).focus();
  });
}

export const field = (label, attributes, note) =>
  h("label", { class: "field" }, h("span", null, label), h("input", attributes), note && h("small", { class: "muted" }, note));

// allowed has somebody log in where that is needed; false where it cannot be done.
export async function allowed() {
  if (session.may) return true;
  if (session.login === "token") return login();
  await ask({
    title: "This page only shows",
    body: h("div", null,
      h("p", null, "No login is configured, so nothing can be done from here, and values of rows are not shown."),
      h("p", null, "Set ", h("code", null, "http.token_file"), ", or ", h("code", null, "http.web_config"), " with users, in the configuration and restart the daemon; or use the command line where it runs, for example ", h("code", null, "cdcsync parked list"), ".")),
    no: "Close",
  });
  return false;
}

export async function login() {
  let wrong = "";
  for (;;) {
    const answer = await ask({
      title: "Log in",
      body: [h("p", { class: "muted" }, "With the token that is in the file of http.token_file. The session lasts 12 hours."), wrong && h("p", { class: "bad", role: "alert" }, wrong)],
      fields: field("Token", { name: "token", type: "password", autocomplete: "current-password", required: true }),
      go: "Log in",
    });
    if (answer === null) return false;
    try {
      await post("/api/v1/login", { token: answer.token });
      await lookAtSession();
      return session.may;
    } catch (err) {
      wrong = err.message;
    }
  }
}

export async function logout() {
  try {
    await post("/api/v1/logout");
  } catch (err) {
    say(err.message);
  }
  await lookAtSession();
}

// act does something once that is allowed, and says what came of it.
export async function act(path, body, words) {
  if (!(await allowed())) return null;
  try {
    const answer = await post(path, body);
    say(words(answer));
    return answer;
  } catch (err) {
    if (err instanceof Refused && err.status === 401) {
      await lookAtSession(); // the session is over
      if (session.login === "token" && (await login())) return act(path, body, words);
      return null;
    }
    say(err.message);
    return null;
  }
}
