// The family agreement. What is written stays on the device: it is printed, or kept as a file by whoever asks for it. Nothing is sent,
// nothing goes into the browser's storage.

import { beforeLeaving } from "/family/static/leave.js";

const $ = (id) => document.getElementById(id);
const KIND = "family-agreement";
const MOST_BYTES = 64 * 1024;
const MOST_SIGNS = 200;
const fields = () => [...$("agreement").querySelectorAll("input")];

function tell(key) {
  $("told").textContent = key ? $("told").dataset[key] : "";
  $("told").hidden = !key;
}

const read = () => Object.fromEntries(fields().map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]));

function fill(values) {
  for (const field of fields()) {
    const value = Object.hasOwn(values, field.name) ? values[field.name] : "";
    if (field.type === "checkbox") field.checked = value === true;
    else field.value = typeof value === "string" ? value.slice(0, MOST_SIGNS) : "";
  }
}

function keep() {
  const file = new Blob([JSON.stringify({ kind: KIND, version: 1, fields: read() }, null, 1)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "agreement.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  tell("kept");
}

async function open(file) {
  try {
    if (file.size > MOST_BYTES) throw new Error("too large");
    const found = JSON.parse(await file.text());
    if (found.kind !== KIND || found.version !== 1 || typeof found.fields !== "object" || found.fields === null) throw new Error("another file");
    fill(found.fields);
    tell("opened");
  } catch {
    tell("not");
  }
}

$("print").addEventListener("click", () => print());
$("keep").addEventListener("click", keep);
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) open(file);
});
$("clear").addEventListener("click", () => { fill({}); tell(""); $("names").focus(); });
beforeLeaving(() => fill({}));

$("hands").hidden = false;
$("no-script").hidden = true;
