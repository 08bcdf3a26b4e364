// Questions to the daemon. Every request says that it comes from the page: what a
// page may do depends on the login.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", credentials: "same-origin", redirect: "error", ...options });
  } catch {
    throw new Refused(0, "The daemon does not answer.");
  }
  let body;
  try {
    body = await answer.json();
  } catch {
    throw new Refused(answer.status, `The daemon answered with HTTP ${answer.status}, and not as this page expects; load the page again.`);
  }
  if (!answer.ok) throw new Refused(answer.status, body.error ?? `HTTP ${answer.status}`);
  return body;
}

const headers = { "X-Cdcsync-Request": "page" };

export const get = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return ask(given.length ? `${path}?${new URLSearchParams(given)}` : path, { headers });
};

export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) });
