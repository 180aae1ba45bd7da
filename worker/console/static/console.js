// The whole script: light or dark, keys, and pages that stay as of now.
//
// A page works without it. Every second or two it fetches the part of the page that may have changed, and changes only
// what differs: focus, selected text, scrolling and open dialogs stay. It stops while the tab is hidden, and slows down
// while the console does not answer. An error is no page: what is shown stays, and is said to be old.

const SLOWEST_MS = 30000;
const LONGEST_MS = 8000; // of an answer; a later one is none
const SHOW_MS = 500;
const root = document.documentElement;
const policy = globalThis.trustedTypes?.createPolicy("hookbus", { createHTML: (text) => text });

// A browser may refuse to keep anything: then a choice lasts as long as its page.
function kept() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // The page has it.
  }
}

const chosen = kept();
if (chosen) root.dataset.theme = chosen;

function isDark() {
  return (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("#theme")) return;
  root.dataset.theme = isDark() ? "light" : "dark";
  keep(root.dataset.theme);
});

root.classList.add("has-script");

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const command = button.closest(".cli")?.querySelector("code");
  await navigator.clipboard.writeText((command ?? button.closest(".panel").querySelector("pre")).innerText);
  button.textContent = "Copied";
});

// Keys lead somewhere, or count what an action would move. None changes anything by itself.
const PLACES = { o: "/", d: "/dead", r: "/retries", e: "/events", p: "/processes", x: "/rejected", a: "/actions", h: "/health" };
const SECOND_KEY_MS = 1500; // after "g"
let wentAt = -SECOND_KEY_MS;

// To the next or previous page of a row of pages, else to the link of the next or previous line.
function step(by) {
  const beside = document.querySelector(by > 0 ? "a[rel=next]" : "a[rel=prev]");
  if (beside) return beside.click();
  const lines = [...document.querySelectorAll("main :is(.rows tbody tr, .attention li, .life li, .log li)")];
  const links = lines.map((line) => line.querySelector("a")).filter((link) => link?.checkVisibility());
  const at = links.findIndex((link) => link === document.activeElement);
  links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

function planRedrive() {
  const button = 'button[name="verb"][value="redrive"]';
  const line = document.activeElement.closest("tr");
  (line?.querySelector(button) ?? document.querySelector(`main ${button}`))?.click();
}

function help() {
  document.querySelector("#keys").showModal();
}

const KEYS = {
  "/": () => document.querySelector("#find").focus(),
  "?": help,
  g: () => (wentAt = performance.now()),
  j: () => step(1),
  k: () => step(-1),
  r: planRedrive,
};

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = performance.now() - wentAt < SECOND_KEY_MS && PLACES[event.key];
  wentAt = -SECOND_KEY_MS;
  const does = place ? () => location.assign(place) : KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

document.addEventListener("click", (event) => event.target.closest("#help") && help());

// Whether a part of the page is in use: it stays as it is until it no longer is.
function isInUse(node) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(node, true)) return node.nodeType !== 1 || isLeaf(node);
  return node.nodeType === 1 && (node.matches("dialog[open], details[open]") || isBegun(node) || (node === document.activeElement && node.matches("input, textarea, select")));
}

// Whether somebody has begun to fill in a form: what is chosen must stay what was read, where a list grows meanwhile.
function isBegun(node) {
  return node.nodeName === "FORM" && [...node.elements].some((field) => {
    if (!field.options) return "defaultValue" in field && field.value !== field.defaultValue;
    const given = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, given);
  });
}

function isLeaf(node) {
  return [...node.childNodes].every((child) => child.nodeType !== 1);
}

// By the attribute: `form.id` is the field of that name where a form has one.
function idOf(node) {
  return node.nodeType === 1 ? node.getAttribute("id") : null;
}

function isSame(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && idOf(old) === idOf(fresh);
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

// Figures are old when the console says so, or by their age: a Redis or a console that hangs says nothing.
let version = document.body.dataset.version;
let lookedAt = Date.now() - Number(document.body.dataset.age) * 1000;
let shownAt = 0; // when the tab came back: the first answer after that is under way
let failures = 0;

function main() {
  return document.querySelector("main");
}

function everyMs() {
  return Number(main().dataset.every);
}

function isLate() {
  return Date.now() - lookedAt > Number(main().dataset.fresh) * 1000 && Date.now() - shownAt > everyMs();
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// What the page shows stays, turns grey, and says since when; `why` is a sentence, or what the page came with.
function age(why) {
  main().classList.add("old");
  const banner = document.querySelector("#old");
  if (!banner) return;
  if (why) say(banner.lastElementChild, why);
  banner.hidden = false;
}

function show() {
  const live = document.querySelector("#live");
  if (!live || document.hidden || !main().dataset.live) return;
  if (isLate()) age(failures > 1 ? "the console does not answer" : "");
  const isOld = main().classList.contains("old");
  const seconds = Math.max(0, Math.round((Date.now() - lookedAt) / 1000));
  say(live.querySelector("b"), `${seconds} s ago`);
  say(live.querySelector(".sr"), isOld ? "The figures are old" : "The figures are current");
  live.classList.toggle("is-old", isOld);
}

async function refresh() {
  const url = new URL(`/part${location.pathname}${location.search}`, location.origin);
  url.searchParams.set("v", version);
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(LONGEST_MS) });
  if (answer.status === 304) return;
  const text = await answer.text();
  const page = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  const fresh = page.querySelector("main");
  if (!fresh) throw new Error("no page");
  if (!answer.ok) {
    age([...page.querySelectorAll("h1, .error")].map((node) => node.textContent).join(": "));
    return;
  }
  version = fresh.dataset.version;
  lookedAt = Date.now() - Number(fresh.dataset.age) * 1000;
  for (const id of ["bar", "main"]) update(document.getElementById(id), page.getElementById(id));
}

let next;
let isAsking = false;

async function poll() {
  clearTimeout(next);
  if (!main().dataset.live || isAsking) return;
  if (!document.hidden) {
    isAsking = true;
    try {
      await refresh();
      failures = 0;
    } catch {
      failures += 1;
    }
    isAsking = false;
    show();
  }
  next = setTimeout(poll, Math.min(SLOWEST_MS, everyMs() * 2 ** failures));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  shownAt = Date.now();
  poll();
});

// On a phone the navigation is wider than the screen.
document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

show();
setInterval(show, SHOW_MS);
next = setTimeout(poll, everyMs());
