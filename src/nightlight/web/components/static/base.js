// What the components share: words, look, a dialog with a way out, and when it may be seen. Nothing here is sent or stored.

export function h(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

// -- When something may be seen -------------------------------------------------------------------------------------------------------

const streams = new Set();
const changed = new EventTarget();
const tell = () => changed.dispatchEvent(new Event("change"));
document.addEventListener("visibilitychange", tell);

// Give it each stream of `getDisplayMedia`: while it runs, nothing is shown. Other apps that record the screen no page can see: set `wait`.
export function noteSharing(stream) {
  const live = () => stream.getTracks().some((track) => track.readyState === "live");
  const look = () => { if (live()) streams.add(stream); else streams.delete(stream); tell(); };
  for (const track of stream.getTracks()) {
    track.addEventListener("ended", look);
    const stop = track.stop.bind(track);
    track.stop = () => { stop(); look(); }; // stopped by the page itself, a track tells nobody
  }
  look();
}

// -- Words ----------------------------------------------------------------------------------------------------------------------------

const READERS = ["7-10", "11-13", "14-17", "adult"];
const read = new Map();

function load(url) {
  if (!read.has(url)) {
    const found = fetch(url, { credentials: "omit", referrerPolicy: "no-referrer" }).then((answer) => {
      if (!answer.ok) throw new Error(`no words at ${url}`);
      return answer.json();
    });
    found.catch(() => read.delete(url)); // asked again next time
    read.set(url, found);
  }
  return read.get(url);
}

// -- The look -------------------------------------------------------------------------------------------------------------------------

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { --_ground: var(--nl-ground, #fff); --_ink: var(--nl-ink, #1e2a2a); --_quiet: var(--nl-quiet, #4b5a59); --_line: var(--nl-line, #7d8a87);
  --_accent: var(--nl-accent, #2b6366); --_accent-ink: var(--nl-accent-ink, #fff); --_soft: var(--nl-soft, #e3efec);
  --_radius: var(--nl-radius, 14px); font: var(--nl-font, 18px/1.5 system-ui, sans-serif); color: var(--_ink); }
@media (prefers-color-scheme: dark) { :host { --_ground: var(--nl-ground, #1a2323); --_ink: var(--nl-ink, #e7eeec);
  --_quiet: var(--nl-quiet, #b3c1be); --_line: var(--nl-line, #7a8987); --_accent: var(--nl-accent, #8fcfc9);
  --_accent-ink: var(--nl-accent-ink, #0e1a1a); --_soft: var(--nl-soft, #213231); } }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
h2 { font-size: 1.35em; line-height: 1.25; margin: 0 0 .4em; text-wrap: balance; }
h3 { font-size: 1.05em; margin: 1em 0 .3em; }
p, ul { margin: 0 0 .8em; }
ul { padding: 0; list-style: none; }
a { color: var(--_accent); }
.quiet { color: var(--_quiet); font-size: .9em; }
dialog { inline-size: min(34rem, calc(100vw - 16px)); max-inline-size: none; max-block-size: calc(100dvh - 16px); overflow: auto; overflow-wrap: anywhere;
  padding: 24px; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_ground); color: var(--_ink); }
dialog::backdrop { background: rgb(10 20 20 / .55); }
.panel { display: flex; flex-wrap: wrap; gap: 10px; }
.top { position: sticky; inset-block-start: -24px; z-index: 1; display: flex; justify-content: flex-end; margin-block: -16px 4px; padding-block: 8px; background: var(--_ground); }
.choices { display: grid; gap: 10px; margin-block-start: 16px; }
button, .button { font: inherit; min-block-size: 48px; padding: 8px 18px; border: 2px solid var(--_line); border-radius: calc(var(--_radius) - 4px);
  background: var(--_ground); color: var(--_ink); cursor: pointer; text-align: center; }
.main { background: var(--_accent); border-color: var(--_accent); color: var(--_accent-ink); font-weight: 600; }
.leave { background: var(--_ink); border-color: var(--_ink); color: var(--_ground); font-weight: 600; }
h2:focus-visible { outline: none; }
:focus-visible:not(h2) { outline: 3px solid var(--_accent); outline-offset: 3px; }
label { display: block; }
fieldset { border: 0; padding: 0; margin: 0 0 1em; }
.pick { display: flex; align-items: center; gap: 12px; min-block-size: 48px; padding: 6px 12px; margin-block-end: 6px; border: 1px solid var(--_line); border-radius: 10px; }
.pick:has(:checked) { background: var(--_soft); border-color: var(--_accent); }
.pick input { inline-size: 24px; block-size: 24px; margin: 0; accent-color: var(--_accent); flex: none; }
textarea, input[type=text] { font: inherit; inline-size: 100%; padding: 10px; border: 2px solid var(--_line); border-radius: 10px; background: var(--_ground); color: var(--_ink); }
.said { background: var(--_soft); border-radius: 10px; padding: 12px 16px; }
.code { font: 700 1.45em/1.4 ui-monospace, monospace; text-align: center; user-select: all; }
@media (prefers-reduced-motion: no-preference) { dialog[open] { animation: in .18s ease-out; } @keyframes in { from { opacity: 0; transform: translateY(8px); } } }
@media print { dialog, dialog::backdrop { display: none !important; } }
`);

// -- The element ----------------------------------------------------------------------------------------------------------------------

const HIDDEN = Symbol("taken away for now");
let escaped = -Infinity, last = null;

export class Base extends HTMLElement {
  static observedAttributes = ["language", "reader", "words", "wait", "helplines"];
  #helplines = null;
  #open = null;

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
  }

  connectedCallback() { this.refresh(); }
  disconnectedCallback() { this.#end(); }
  #end() { this.#open?.done(this.#open.safe); }
  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    if (name === "wait") tell();
    else if (this.isConnected) this.refresh();
  }

  get reader() {
    const given = this.getAttribute("reader");
    return READERS.includes(given) ? given : "11-13";
  }

  get language() {
    const given = this.getAttribute("language") || this.closest("[lang]")?.lang || "en";
    return /^[a-z]{2,3}\b/i.test(given) ? given.split("-")[0].toLowerCase() : "en";
  }

  get helplines() {
    if (this.#helplines) return this.#helplines;
    try {
      const given = JSON.parse(this.getAttribute("helplines") || "[]");
      return Array.isArray(given) ? given.filter((line) => line?.name && line?.contact) : [];
    } catch { return []; }
  }
  set helplines(lines) { this.#helplines = lines; }

  async say() {
    const from = new URL(this.getAttribute("words") || ".", this.hasAttribute("words") ? document.baseURI : import.meta.url);
    const at = (language) => new URL(`words.${language}.${this.reader}.json`, from.href.endsWith("/") ? from : from + "/").href;
    return load(at(this.language)).catch((error) => (this.language === "en" ? Promise.reject(error) : load(at("en"))));
  }

  async refresh() {
    try {
      const words = await this.say();
      if (this.isConnected) this.draw?.(words);
    } catch (error) { this.emit("nl-error", { message: error.message }); }
  }

  emit(name, detail = {}, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(name, { detail, cancelable, bubbles: true, composed: true }));
  }

  // For what a touch starts: nobody waits for it, so what fails is told.
  async tried(act) { try { await act; } catch (error) { this.emit("nl-error", { message: error.message }); } }

  body(words, ...children) { return h("div", { class: "panel", lang: words.language, dir: words.direction }, ...children); }

  get maySee() { return document.visibilityState === "visible" && !streams.size && !this.hasAttribute("wait"); }

  allowed() {
    return new Promise((resolve) => {
      const look = () => {
        if (this.isConnected && !this.maySee) return;
        changed.removeEventListener("change", look);
        resolve();
      };
      changed.addEventListener("change", look);
      look();
    });
  }

  // Shows what `build(done)` makes, as soon as it may be seen; gives what `done` was called with, or `safe` where it was closed.
  async present(words, build, safe) {
    while (this.isConnected) {
      await this.allowed();
      if (!this.isConnected) break;
      const answer = await this.#once(words, build, safe);
      if (answer !== HIDDEN) return answer;
    }
    return safe;
  }

  #once(words, build, safe) {
    this.#end();
    last = this;
    return new Promise((resolve) => {
      const before = this.#focused();
      const done = (answer) => {
        if (this.#open?.done !== done) return;
        this.#open = null;
        changed.removeEventListener("change", look);
        dialog.close();
        dialog.remove();
        if (answer !== HIDDEN) before?.focus?.();
        resolve(answer);
      };
      const look = () => { if (!this.maySee) done(HIDDEN); };
      const leave = h("button", { type: "button", class: "leave", onclick: () => { done(safe); this.leave(); } }, words.leave);
      const dialog = h("dialog", { "aria-labelledby": "title", lang: words.language, dir: words.direction }, h("div", { class: "top" }, leave), ...build(done));
      // By Esc, or the back gesture of a phone; not every one sends `cancel`.
      dialog.addEventListener("close", () => {
        if (this.#open?.done !== done) return;
        escaped = performance.now();
        done(safe);
      });
      this.#open = { done, safe };
      this.shadowRoot.append(dialog);
      changed.addEventListener("change", look);
      dialog.showModal();
      dialog.querySelector("#title")?.focus();
    });
  }

  #focused() {
    let node = document.activeElement;
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
    return node;
  }

  // The page may do it its own way: preventDefault on `nl-leave`.
  leave() {
    if (this.emit("nl-leave", {}, true)) location.replace(this.getAttribute("leave-to") || "about:blank");
  }

  // One moment of the catalogue. Gives the choice; what cannot be offered is left out.
  async moment(situation, more = null) {
    const words = await this.say();
    const found = words.moments[situation];
    if (!found) throw new TypeError(`there is no moment ${situation}`);
    const offered = found.choices.filter(([kind]) => kind !== "helpline" || this.helplines.length);
    const safe = offered.some(([kind]) => kind === "stop") ? "stop" : "later";
    const choice = await this.present(words, (done) => [
      h("h2", { id: "title", tabindex: -1 }, found.title),
      h("p", {}, found.body),
      more,
      h("div", { class: "choices" }, ...offered.map(([kind, label], place) =>
        h("button", { type: "button", "data-choice": kind, class: place ? "" : "main", onclick: () => done(kind) }, label))),
    ], safe);
    if (!this.isConnected) return safe;
    const free = this.emit("nl-choice", { situation, choice }, true);
    if (free && (choice === "adult" || choice === "helpline")) await this.help();
    return choice;
  }

  async help() {
    const words = await this.say(), ui = words.ui;
    await this.present(words, (done) => [...helping(words, this), close(ui, done)], null);
  }
}

// A second Esc within a second leaves, as on the help pages.
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") escaped = -Infinity;
  else if (performance.now() - escaped < 1000) last.leave();
}, true);
addEventListener("pointerdown", () => { escaped = -Infinity; }, true);

// Without an operator's check every picture is worth a pause; where it fails as well.
export async function worthAPause(on, sources) {
  if (!on.hasAttribute("check")) return true;
  try {
    const { passes } = await import("./check.js");
    return !(await passes(on.getAttribute("check"), on.getAttribute("model"), sources));
  } catch (error) {
    on.emit("nl-error", { message: String(error?.message ?? error) });
    return true;
  }
}

export const close = (ui, done) => h("div", { class: "choices" }, h("button", { type: "button", onclick: () => done(null) }, ui.close));

export function copying(ui, text) {
  const note = h("span", { role: "status", class: "quiet" });
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); note.textContent = ui.copied; } catch { note.textContent = ui.copy_by_hand; }
  };
  return h("p", {}, h("button", { type: "button", "data-copy": true, onclick: copy }, ui.copy), " ", note);
}

// Whom to turn to, and how to begin.
export function helping(words, from) {
  const ui = words.ui, lines = from.helplines, more = from.getAttribute("more");
  return [
    h("h2", { id: "title", tabindex: -1 }, ui.help_title),
    h("p", {}, ui.help_body),
    h("p", { class: "said" }, ui.help_danger),
    lines.length > 0 && h("h3", {}, ui.help_lines),
    lines.length > 0 && h("ul", {}, ...lines.map((line) => h("li", {}, h("strong", {}, line.name), ": ", linked(line.contact)))),
    h("h3", {}, ui.help_begin),
    h("p", { class: "said" }, ui.help_sentence),
    copying(ui, ui.help_sentence),
    more && h("p", {}, h("a", { href: more, rel: "noreferrer" }, ui.help_more)),
  ];
}

function linked(contact) {
  const given = String(contact).trim();
  if (/^\+?[0-9][0-9 ()./-]{1,24}$/.test(given)) return h("a", { href: "tel:" + given.replace(/[^0-9+]/g, ""), dir: "ltr" }, given);
  if (/^https?:\/\/[^\s"'<>]+$/.test(given)) return h("a", { href: given, rel: "noreferrer noopener", target: "_blank" }, given);
  return h("span", {}, given);
}
