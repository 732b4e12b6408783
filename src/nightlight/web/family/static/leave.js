// The quick way out of every family page: the button, or Esc twice. Without JavaScript the button is a plain link that leads out as well.
// A page that holds something tells `beforeLeaving` how to let go of it; what is typed in fields is cleared here.

const ESC_TWICE_MS = 1000;
const wipes = [];
const way = document.getElementById("leave");

export const beforeLeaving = (wipe) => { wipes.push(wipe); };

function wipe() {
  for (const one of wipes) one();
}

// In place of this page, so that the way back does not lead here.
export function leave() {
  wipe();
  for (const field of document.querySelectorAll("input, textarea, select")) {
    if (["checkbox", "radio"].includes(field.type)) field.checked = false;
    else if (field.tagName === "SELECT") field.selectedIndex = 0;
    else field.value = "";
  }
  document.getElementById("main").hidden = true;
  location.replace(way.href);
}

way.addEventListener("click", (event) => { event.preventDefault(); leave(); });
let escaped = -Infinity;
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") { escaped = -Infinity; return; }
  if (event.timeStamp - escaped < ESC_TWICE_MS) leave();
  escaped = event.timeStamp;
});

// A link marked `data-quiet` takes the place of this page in the browser's history, so that a way through many pages is one step in it.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-quiet]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  location.replace(link.href);
});

// Whoever comes back to this page, by the browser's own means, finds it as it was at first.
addEventListener("pagehide", wipe);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
