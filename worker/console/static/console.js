// The whole script: light or dark, "/" to search, and pages that stay as of now.
//
// A page works without it. Every two seconds it fetches the part of the page that may have changed, and changes only
// what differs: focus, selected text, scrolling and open dialogs stay. It stops while the tab is hidden, and slows down
// while the console does not answer.

const EVERY_MS = 2000;
const SLOWEST_MS = 30000;
const root = document.documentElement;
const policy = globalThis.trustedTypes?.createPolicy("hookbus", { createHTML: (text) => text });

const chosen = localStorage.getItem("theme");
if (chosen) root.dataset.theme = chosen;

function isDark() {
  return (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("#theme")) return;
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.key === "/" && document.querySelector("#find");
  if (!field) return;
  event.preventDefault();
  field.focus();
});

// Whether a part of the page is in use: it stays as it is until it no longer is.
function isInUse(node) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(node, true)) return node.nodeType !== 1 || isLeaf(node);
  return node.nodeType === 1 && (node.matches("dialog[open], details[open]") || (node === document.activeElement && node.matches("input, textarea, select")));
}

function isLeaf(node) {
  return [...node.childNodes].every((child) => child.nodeType !== 1);
}

function isSame(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id ?? "") === (fresh.id ?? "");
}

// Make `old` like `fresh`, changing only what differs.
function update(old, fresh) {
  if (isInUse(old)) return;
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const children = [...fresh.childNodes];
  children.forEach((child, i) => {
    const before = old.childNodes[i];
    if (!before) old.append(child);
    else if (isSame(before, child)) update(before, child);
    else if (!isInUse(before)) before.replaceWith(child);
  });
  while (old.childNodes.length > children.length && !isInUse(old.lastChild)) old.lastChild.remove();
}

let version = document.body.dataset.version;
let lookedAt = Date.now() - Number(document.body.dataset.age) * 1000;
let failures = 0;

function show() {
  const live = document.querySelector("#live");
  if (!live) return;
  const seconds = Math.max(0, Math.round((Date.now() - lookedAt) / 1000));
  live.querySelector("b").textContent = failures > 1 ? "the console does not answer" : `${seconds} s ago`;
  live.classList.toggle("is-old", failures > 1 || document.querySelector(".old") !== null);
}

async function refresh() {
  const url = new URL(`/part${location.pathname}${location.search}`, location.origin);
  url.searchParams.set("v", version);
  const answer = await fetch(url, { redirect: "error" });
  if (answer.status === 304) return;
  const text = await answer.text();
  const page = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  const main = page.querySelector("main");
  if (!main) throw new Error("no page");
  version = main.dataset.version;
  lookedAt = Date.now() - Number(main.dataset.age) * 1000;
  for (const id of ["bar", "main"]) update(document.getElementById(id), page.getElementById(id));
}

async function poll() {
  if (!document.hidden) {
    try {
      await refresh();
      failures = 0;
    } catch {
      failures += 1;
    }
    show();
  }
  setTimeout(poll, Math.min(SLOWEST_MS, EVERY_MS * 2 ** failures));
}

show();
setInterval(show, 1000);
if (document.querySelector("main").dataset.live) setTimeout(poll, EVERY_MS);
