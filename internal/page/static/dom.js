// Elements are described, and the page is made to look like the description:
// what stays the same is left alone, so that focus, selection and scroll survive.

// h describes an element. Attributes that are null, undefined or false are left out.
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return element;
}

// show makes target hold what the children describe.
export function show(target, ...children) {
  const wanted = document.createElement("div");
  wanted.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  morphChildren(target, wanted);
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

function morphChildren(from, to) {
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    const key = keyOf(want);
    let have = at;
    if (key !== null) {
      while (have && keyOf(have) !== key) have = have.nextSibling;
    }
    if (have && have.nodeName === want.nodeName && keyOf(have) === key) {
      if (have === at) at = at.nextSibling;
      else from.insertBefore(have, at);
      morph(have, want);
    } else {
      from.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function morph(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  if (have.hasAttribute("data-own")) return; // somebody else draws it
  for (const { name } of [...have.attributes]) {
    if (!want.hasAttribute(name) && !(have.nodeName === "DETAILS" && name === "open")) have.removeAttribute(name);
  }
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  if (have.nodeName === "TEXTAREA") return; // what was typed stays
  morphChildren(have, want);
}

// bar is a part of a whole.
export function bar(part, label, warn) {
  const percent = Math.min(Math.max(part * 100, 0), 100);
  return h("div", { class: `meter${warn ? " warn" : ""}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(percent) },
    h("span", { "data-part": percent.toFixed(1) }));
}

// td is a cell of a table that becomes a list on a phone, where it says what it is.
export const td = (label, attributes, ...children) => h("td", { "data-label": label, ...attributes }, ...children);

// fill sets how much of a bar is full; the policy of the page has no style attributes.
export function fill(root) {
  for (const bar of root.querySelectorAll("[data-part]")) bar.style.width = `${bar.dataset.part}%`;
}
