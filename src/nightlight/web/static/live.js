// Keeps the live page live: asks /live.json each second and changes what changed. The page is whole without it.

const HISTORY_S = 120;
const AT_ONCE_S = 0.05;
const NS = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const number = (value) => Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
const rate = (value) => (value > 0 && value < 9.95 ? value.toFixed(1) : number(value));
const milliseconds = (value, events) => (events ? `${value.toFixed(1)} ms` : "\u2013");

function duration(seconds) {
  if (seconds === null) return "\u2013";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s} s` : `${s} s`;
}

const delay = (seconds) => (seconds !== null && seconds < AT_ONCE_S ? "at once" : duration(seconds));
const span = (seconds) => (seconds < HISTORY_S ? `last ${seconds} s` : "last 2 minutes");

function say(id, text) {
  const node = $(id);
  if (node.textContent !== text) node.textContent = text;
}

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawing(name, attributes, ...children) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function mark(level) {
  return drawing("svg", { class: `mark ${level}`, viewBox: "0 0 14 14", "aria-hidden": "true" }, drawing("use", { href: `#mark-${level}` }));
}

function bars(id, rows, levels = false) {
  const most = Math.max(0, ...rows.map((row) => row.count));
  const body = rows.map((row) => {
    const bar = drawing(
      "svg",
      { class: "bar-h", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawing("rect", { class: "track", width: 100, height: 10 }),
      drawing("rect", { class: "fill", width: most ? (100 * row.count) / most : 0, height: 10 }),
    );
    if (levels) bar.dataset.level = row.code;
    const label = element("th", { scope: "row" }, ...(levels ? [mark(row.code)] : []), row.label);
    return element("tr", {}, label, element("td", {}, bar), element("td", { class: "n" }, number(row.count)));
  });
  $(id).tBodies[0].replaceChildren(...body);
  const none = $(`no-${id}`);
  if (none) none.hidden = rows.length > 0;
}

const doneWords = {
  allow: "Allowed",
  nudge: "Message shown",
  hold_content: "Held for a person",
  block_content: "Not delivered",
  limit_contact: "Contact limited",
  limit_reach: "Reach limited",
  add_friction: "Slowed later",
  slow_down: "Slowed",
  open_case: "Case opened",
  notify: "Notified",
  preserve: "Preserved",
};

const clock = (at) => element("time", { datetime: `${at.slice(0, 19)}Z` }, at.slice(11, 19));
const by = (detector) => element("span", { class: "note by" }, detector);
const after = (seconds) => (seconds === null || seconds >= AT_ONCE_S ? "after" : "");

function alerts(rows) {
  $("alerts").hidden = rows.length === 0;
  $("no-alerts").hidden = rows.length > 0;
  $("alerts").tBodies[0].replaceChildren(
    ...rows.map((row) =>
      element(
        "tr",
        row.urgent ? { class: "urgent" } : {},
        element("td", { class: row.at ? "at" : "at unknown" }, row.at ? clock(row.at) : "\u2013"),
        element("td", { class: "harm" }, element("span", { class: "name" }, row.label), ...row.detectors.map(by)),
        element("td", { class: "level" }, mark(row.level), row.level[0].toUpperCase() + row.level.slice(1)),
        element("td", { class: "did" }, row.actions.map((action) => doneWords[action] ?? "").join(", ")),
        element("td", { class: row.seconds === null ? "when unknown" : "when", "data-label": after(row.seconds) }, delay(row.seconds)),
      ),
    ),
  );
}

// The scale starts at zero, so that a fall looks as large as it is, and ends at one at least, so that next to nothing looks it.
function spark({ rates, peak, top, rows }) {
  $("spark-figure").hidden = rates.length < 3;
  say("window", span(rates.length));
  say("peak", rate(peak));
  const step = 120 / Math.max(1, rates.length - 1);
  const points = rates.map((value, i) => `${(step * i).toFixed(2)},${(40 - (38 * value) / top).toFixed(2)}`).join("L");
  const svg = $("spark-figure").querySelector("svg");
  svg.querySelector(".line").setAttribute("d", `M${points}`);
  svg.querySelector(".area").setAttribute("d", `M0,40L${points}L120,40Z`);
  $("behind").tBodies[0].replaceChildren(
    ...rows.map((row) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, `${row.since} to ${row.until}`),
        element("td", {}, number(row.events)),
        element("td", {}, rate(row.a_second)),
      ),
    ),
  );
}

function state(name, text) {
  $("state").dataset.state = name;
  say("state-words", text);
}

function show(live) {
  state(live.events_per_second > 0 ? "receiving" : "quiet", live.events_per_second > 0 ? "Receiving events" : "No events just now");
  say("uptime", duration(live.uptime_s));
  say("rate", rate(live.events_per_second));
  say("events", number(live.events));
  say("time-to-alert", delay(live.time_to_alert_s));
  say("p50", milliseconds(live.p50_ms, live.events));
  say("p99", milliseconds(live.p99_ms, live.events));
  say("open-cases", number(live.open_cases));
  say("commits", number(live.commits));
  say("at", `${live.at.slice(11, 19)} UTC`);
  bars("decisions", live.decisions);
  bars("levels", live.levels, true);
  bars("harms", live.harms);
  alerts(live.alerts);
  spark(live.chart);
}

async function tick() {
  try {
    const answer = await fetch("/live.json", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
  } catch {
    state("lost", "No answer from the service; the figures are the last ones known");
  }
}

// Nothing is asked for while nobody looks.
setInterval(() => document.hidden || tick(), 1000);
tick();
