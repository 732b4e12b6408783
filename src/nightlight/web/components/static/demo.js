// The page on which the components are tried. What it does is what a page of your own would do; only the report's answer is invented.

const at = (id) => document.getElementById(id);
const all = document.querySelectorAll("nl-nudge, nl-help, nl-report, nl-before-you-send, nl-blur");
const nudge = document.querySelector("nl-nudge"), report = document.querySelector("nl-report"), send = document.querySelector("nl-before-you-send");

at("reader").addEventListener("change", () => { for (const one of all) one.setAttribute("reader", at("reader").value); });
at("wait").addEventListener("change", () => { for (const one of all) one.toggleAttribute("wait", at("wait").checked); });
at("rtl").addEventListener("change", () => { document.documentElement.dir = at("rtl").checked ? "rtl" : "ltr"; });
at("show").addEventListener("click", () => nudge.show(at("situation").value));
at("check").addEventListener("change", () => {
  for (const [name, value] of [["check", "check-example.js"], ["model", "check-example.json"]]) {
    if (at("check").checked) send.setAttribute(name, new URL(value, import.meta.url).href);
    else send.removeAttribute(name);
  }
});

const left = at("left");
const say = (files) => { left.textContent = files.length ? `${left.dataset.some} ${files.length}` : left.dataset.none; };
say([]);
at("picture").addEventListener("change", () => say(at("picture").files));
send.addEventListener("nl-choice", (event) => { if (event.detail.choice !== "go_on") say([]); });

report.transport = async (asked) => (asked === "endpoint" ? { code: "DEM0-DEM0-DEM0-DEM0-DEM0", message: "report.thanks" } : { state: "looking", message: "report.looking" });
report.addEventListener("nl-block", (event) => { at("blocked").textContent = `${at("blocked").dataset.said} ${event.detail.about.join(" ")}`; });
