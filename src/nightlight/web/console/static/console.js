// What the console's pages do beyond forms and links: keys, a question before a verdict, and the clock of exposure.
// Everything works without it but the keys and the clock.

const typing = (node) => node instanceof HTMLElement && node.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");

// -- moving with j and k ------------------------------------------------------------------------------------------------------------

/** What j and k go through: the cases of a queue, else the lines that count. */
function stops() {
  const cases = [...document.querySelectorAll("tr[data-case] a.open")];
  return cases.length ? cases : [...document.querySelectorAll(".line.marked")];
}

function move(by) {
  const all = stops();
  if (!all.length) return;
  const here = all.findIndex((node) => node === document.activeElement);
  const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, here + by))];
  if (!next.matches("a")) next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const keyed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "o" && document.activeElement?.matches("a.open")) document.activeElement.click();
  else if (event.key === "?") document.getElementById("help")?.showModal();
  else if (event.key === "d" && document.getElementById("decide")) {
    document.getElementById("decide").scrollIntoView({ block: "start" });
    document.querySelector("#decide input:not([type=hidden]), #decide button")?.focus();
  } else if (keyed instanceof HTMLInputElement) {
    keyed.checked = true;
    keyed.focus();
  } else if (keyed instanceof HTMLElement) keyed.click();
  else return;
  event.preventDefault();
});

// -- asked once more before it counts ------------------------------------------------------------------------------------------------

function ask(title, words, more, yes) {
  const dialog = document.createElement("dialog");
  const head = document.createElement("h2");
  head.textContent = title;
  head.id = "h-ask";
  dialog.setAttribute("aria-labelledby", head.id);
  const text = document.createElement("p");
  text.textContent = words;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "row";
  const go = document.createElement("button");
  go.className = "main";
  go.value = "yes";
  go.textContent = yes;
  const back = document.createElement("button");
  back.value = "no";
  back.textContent = document.body.dataset.cancel;
  form.append(go, back);
  dialog.append(head);
  if (more) {
    const line = document.createElement("p");
    const strong = document.createElement("strong");
    strong.textContent = more;
    line.append(strong);
    dialog.append(line);
  }
  if (words) dialog.append(text);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  back.focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  const button = event.submitter;
  const verdict = form.id === "verdict" && !form.querySelector("[name=confirmed]");
  const sure = button?.dataset.confirm;
  if (!verdict && !sure) return;
  event.preventDefault();
  const chosen = form.querySelector("[name=finding]:checked")?.closest("label")?.querySelector("span")?.textContent ?? "";
  const yes = await ask(verdict ? form.dataset.title : sure, verdict ? form.dataset.words : "", chosen, button?.textContent ?? "");
  if (!yes) {
    button?.focus();
    return;
  }
  const confirmed = button?.dataset.confirmed ? form.querySelector("[name=confirmed]") : null;
  if (confirmed) confirmed.value = "1";
  if (verdict) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "confirmed";
    field.value = "1";
    form.append(field);
  }
  form.submit();
});

// -- a menu closes when one goes elsewhere -------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// -- the clock: how long a case was on the screen --------------------------------------------------------------------------------------

const BEAT_S = 15;
const grid = document.querySelector(".case-grid[data-case]");
if (grid && document.body.dataset.beats) {
  let since = document.visibilityState === "visible" ? performance.now() : null;
  let held = 0;
  const token = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["x-csrf-token"];
  const address = `/console/cases/${encodeURIComponent(grid.dataset.case)}/exposure`;
  const settle = () => {
    if (since !== null) held += performance.now() - since;
    since = document.visibilityState === "visible" ? performance.now() : null;
  };
  const beat = async (keepalive = false) => {
    settle();
    const seconds = Math.floor(held / 1000);
    if (seconds < 1) return;
    held -= seconds * 1000;
    try {
      const answer = await fetch(address, {
        method: "POST",
        keepalive,
        headers: { "content-type": "application/x-www-form-urlencoded", "x-csrf-token": token },
        body: new URLSearchParams({ seconds: String(Math.min(seconds, 9999)), severity: "text" }),
      });
      if (!answer.ok || keepalive) return;
      const told = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("clock");
      const shown = document.getElementById("clock");
      if (!told) return;
      if (shown) shown.replaceWith(told);
      else document.querySelector(".bar > .me")?.before(told);
    } catch {
      held += seconds * 1000; // told with the next one
    }
  };
  setInterval(beat, BEAT_S * 1000);
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? beat(true) : settle()));
}

// -- a picture: asked for with a reason, shown only while it is held -------------------------------------------------------------------

const KEPT_MS = 120_000;

function revealing(box) {
  const [canvas, hold, told] = [box.querySelector("canvas"), box.querySelector(".hold"), box.querySelector("[role=status]")];
  const address = `/console/cases/${encodeURIComponent(grid.dataset.case)}/reveal`;
  const token = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["x-csrf-token"];
  let [picture, how, since, timer] = [null, "blurred", null, 0];

  const send = (to, fields, keepalive = false) =>
    fetch(to, {
      method: "POST",
      cache: "no-store",
      keepalive,
      headers: { "content-type": "application/x-www-form-urlencoded", "x-csrf-token": token, "hx-request": "true" },
      body: new URLSearchParams({ sha256: box.dataset.reveal, ...fields }),
    });

  const hide = () => {
    if (since === null) return;
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    canvas.hidden = true;
    const milliseconds = Math.round(performance.now() - since);
    since = null;
    send(`${address}/seen`, { how, milliseconds: String(milliseconds) }, true).catch(() => {});
  };
  const show = () => {
    if (!picture || since !== null) return;
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    canvas.hidden = false;
    since = performance.now();
  };
  const forget = () => {
    hide();
    picture?.close();
    picture = null;
    hold.hidden = true;
  };

  for (const row of box.querySelectorAll("[data-how]")) {
    const reason = row.querySelector(".reason");
    const ask = async () => {
      forget();
      clearTimeout(timer);
      const answer = await send(address, { how: row.dataset.how, reason: reason.value });
      if (!answer.ok) {
        told.textContent = new DOMParser().parseFromString(await answer.text(), "text/html").body.textContent.trim();
        return;
      }
      picture = await createImageBitmap(await answer.blob());
      how = row.dataset.how;
      hold.hidden = false;
      hold.focus();
      box.querySelector(".unblurred").hidden = false;
      told.textContent = box.dataset.ready;
      timer = setTimeout(() => {
        forget();
        told.textContent = box.dataset.gone;
      }, KEPT_MS);
    };
    row.querySelector(".ask-now").addEventListener("click", ask);
    reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter") ask();
    });
  }
  const holds = (event) => (event.target === hold && (event.key === " " || event.key === "Enter")) || (event.key === "r" && !typing(event.target));
  hold.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    hold.setPointerCapture(event.pointerId);
    show();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) hold.addEventListener(end, hide);
  for (const node of [hold, canvas]) node.addEventListener("contextmenu", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (!picture || event.ctrlKey || event.metaKey || event.altKey || !holds(event)) return;
    event.preventDefault();
    if (!event.repeat) show();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "r" || event.key === " " || event.key === "Enter") hide();
  });
  document.addEventListener("visibilitychange", hide);
  window.addEventListener("blur", hide);
  window.addEventListener("pagehide", forget);
}

if (grid) document.querySelectorAll("[data-reveal]").forEach(revealing);
