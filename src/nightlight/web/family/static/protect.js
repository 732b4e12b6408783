// /protect-my-picture. The picture is read here and nowhere else: what leaves is the hashes that the step "check" shows, and codes.
// The age and the language that somebody chose never leave either. Nothing is stored: not in a cookie, not in the browser's storage,
// not in the address.

import { beforeLeaving } from "/family/static/leave.js";

const POST = "/protect-my-picture";

const $ = (id) => document.getElementById(id);
const main = $("main");
const catalogue = JSON.parse($("catalogue").textContent);
const most = Number(main.dataset.most);

let language = document.documentElement.lang;
let reader = "11-13";
let chosen = []; // {number, told, failed}: what a file is told by; the files themselves are let go of
let numbers = 0;
let busy = 0;
let once = ""; // names the submission, so that sending it again after a lost answer changes nothing
let error = ""; // the key of the words shown as an error

// -- words ---------------------------------------------------------------------------------------------------------------------------

function words(key, more = {}) {
  const known = catalogue[language][reader];
  const values = { service: main.dataset.service || known.this_service, most: String(most), ...more };
  return (known[key] ?? "").replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

function speak() {
  document.documentElement.lang = language;
  document.title = words("title");
  for (const node of document.querySelectorAll("[data-words]")) node.textContent = words(node.dataset.words);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", words(node.dataset.label));
  for (const node of document.querySelectorAll("[data-language]")) node.setAttribute("aria-pressed", String(node.dataset.language === language));
  $("error").textContent = error && words(error);
  drawList();
}

function complain(key) {
  error = key;
  $("error").textContent = key && words(key);
  $("error").hidden = !key;
  $("asked").setAttribute("aria-invalid", String(key === "error_typo" || key === "error_unknown"));
  if (key) $("error").scrollIntoView({ block: "nearest" });
}

const tell = (text) => { $("status").textContent = text; };

// -- steps ---------------------------------------------------------------------------------------------------------------------------

function go(step) {
  complain("");
  tell("");
  for (const section of document.querySelectorAll("[data-step]")) section.hidden = section.dataset.step !== step;
  scrollTo(0, 0);
  document.querySelector(`[data-step="${step}"] h1`).focus({ preventScroll: true });
  if (step === "check") drawSent();
  if (step === "later") hideAnswer();
}

function wipe() {
  chosen = [];
  once = "";
  $("files").value = "";
  $("asked").value = "";
  $("code").textContent = "";
  $("sent").replaceChildren();
  hideAnswer();
  drawList();
}

// -- hashing -------------------------------------------------------------------------------------------------------------------------

let worker = null;
const waiting = new Map();

// In a worker; here, where the browser has none for modules.
function told(file, number) {
  const here = () => import("./hash.js").then(({ hashFile }) => hashFile(file)).catch(() => null);
  try {
    worker ??= startWorker();
  } catch {
    return here();
  }
  if (worker === "none") return here();
  return new Promise((resolve) => {
    waiting.set(number, { resolve, here });
    worker.postMessage({ number, file });
  });
}

function startWorker() {
  const made = new Worker("/protect-my-picture/static/worker.js", { type: "module" });
  made.onmessage = ({ data }) => {
    waiting.get(data.number)?.resolve(data.told);
    waiting.delete(data.number);
  };
  made.onerror = () => {
    worker = "none";
    for (const { resolve, here } of waiting.values()) here().then(resolve);
    waiting.clear();
  };
  return made;
}

async function take(files) {
  complain("");
  once = "";
  const room = most - chosen.length;
  const list = [...files].slice(0, room);
  const entries = list.map(() => ({ number: ++numbers, told: null, failed: false }));
  chosen.push(...entries);
  busy += list.length;
  drawList();
  if (files.length > room) complain("error_too_many");
  for (const [i, file] of list.entries()) {
    const found = await told(file, entries[i].number); // one after the other: each decoded picture is large
    busy -= 1;
    entries[i].told = found;
    entries[i].failed = found === null;
    drawList();
  }
  if (!busy) tell(words(entries.some((entry) => entry.failed) ? "not_made" : "is_ready"));
}

// -- what is shown -------------------------------------------------------------------------------------------------------------------

function made(tag, text = "", name = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (name) node.className = name;
  return node;
}

const stateOf = ({ told: found, failed }) => (failed ? "not_made" : !found ? "choose_working" : found.exact ? `exact_${found.exact}` : "is_ready");

function drawList() {
  $("chosen").hidden = chosen.length === 0;
  $("working").hidden = busy === 0;
  $("list").replaceChildren(...chosen.map((entry, i) => {
    const card = made("li", "", "card");
    const name = words("picture_number", { number: i + 1 });
    const away = made("button", words("take_away"), "plain");
    away.type = "button";
    away.setAttribute("aria-label", `${words("take_away")}: ${name}`);
    away.addEventListener("click", () => {
      chosen = chosen.filter((other) => other !== entry);
      once = "";
      complain("");
      drawList();
      ($("list").querySelector("button") ?? $("files")).focus();
    });
    const said = made("div");
    said.append(made("strong", name), made("p", words(stateOf(entry))));
    card.append(said, away);
    return card;
  }));
}

const ready = () => chosen.filter((entry) => entry.told);

function drawSent() {
  $("sent").replaceChildren(...ready().map(({ told: found }, i) => {
    const card = made("li", "", "card tall");
    card.append(made("strong", words("picture_number", { number: i + 1 })));
    const list = made("dl");
    list.append(made("dt", words("exact_number")), made("dd", found.sha256));
    if (found.pdq) list.append(made("dt", words("alike_number")), made("dd", found.pdq));
    card.append(list);
    return card;
  }));
}

// -- the service ---------------------------------------------------------------------------------------------------------------------

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(`${POST}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      redirect: "error",
    });
    const found = await answer.json();
    if (answer.ok) return { found };
    const asked = path !== "send";
    if (answer.status === 429) return { error: "error_rate" };
    if (answer.status === 503) return { error: "error_busy" };
    if (answer.status === 409) return { error: "error_sent" };
    if (asked && answer.status === 404) return { error: "error_unknown" };
    if (asked && answer.status === 400) return { error: "error_typo" };
    return { error: "error_other" };
  } catch {
    return { error: answer ? "error_other" : "error_network" };
  }
}

function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send() {
  complain("");
  tell(words("sending"));
  $("send").disabled = true;
  once ||= randomName();
  const pictures = ready().map(({ told: found }) =>
    found.pdq ? { sha256: found.sha256, pdq: found.pdq, quality: found.quality } : { sha256: found.sha256 });
  const answer = await post("send", { once, pictures });
  $("send").disabled = false;
  tell("");
  if (answer.error) {
    if (answer.error === "error_sent") once = "";
    complain(answer.error);
    return;
  }
  wipe();
  $("code").replaceChildren(...answer.found.code.split("-").map((group) => made("span", group)));
  $("code").dataset.code = answer.found.code;
  go("code");
}

function hideAnswer() {
  $("answer").hidden = true;
  $("sure").hidden = true;
  $("withdraw-line").hidden = false;
}

async function ask(path) {
  complain("");
  const answer = await post(path, { code: $("asked").value.trim() || "-" });
  if (answer.error) {
    hideAnswer();
    complain(answer.error);
    $("asked").focus();
    return;
  }
  const { state } = answer.found;
  $("answer-words").dataset.words = `state_${state}`;
  $("answer-words").textContent = words(`state_${state}`);
  $("answer").hidden = false;
  $("sure").hidden = true;
  $("withdraw-line").hidden = $("no-more").hidden = state === "withdrawn";
  $("answer-words").focus();
}

// -- hands ---------------------------------------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => { language = button.dataset.language; speak(); });
for (const button of document.querySelectorAll("[data-reader]"))
  button.addEventListener("click", () => { reader = button.dataset.reader; speak(); go("about"); });
for (const button of document.querySelectorAll("[data-go]")) button.addEventListener("click", () => go(button.dataset.go));

$("files").addEventListener("change", () => {
  const files = [...$("files").files];
  $("files").value = ""; // the page holds no file any longer than it must, and the same one may be chosen again
  take(files);
});
$("to-check").addEventListener("click", () => {
  if (busy) return tell(words("choose_working"));
  if (chosen.some((entry) => entry.failed)) return complain("not_made");
  if (!ready().length) return complain("error_none");
  go("check");
});
$("send").addEventListener("click", send);
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("code").dataset.code);
    tell(words("copied"));
    $("copy").textContent = words("copied");
  } catch {
    // Plain http, or refused: mark it, so that it can be copied by hand.
    getSelection().selectAllChildren($("code"));
    tell(words("copy_by_hand"));
    $("copy").textContent = words("copy_by_hand");
  }
});
$("again").addEventListener("click", () => { wipe(); speak(); go("who"); });
$("ask-form").addEventListener("submit", (event) => { event.preventDefault(); ask("state"); });
$("withdraw").addEventListener("click", () => { $("sure").hidden = false; $("withdraw-line").hidden = true; $("sure-no").focus(); });
$("sure-no").addEventListener("click", () => { $("sure").hidden = true; $("withdraw-line").hidden = false; $("withdraw").focus(); });
$("sure-yes").addEventListener("click", () => ask("withdraw"));

beforeLeaving(wipe);

speak();
$("languages").hidden = false;
$("app").hidden = false;
