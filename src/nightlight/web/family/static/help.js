// /with-you without a step in the browser's history: each form is sent from here and its answer takes the place of what is shown. The
// page works without this script as well; then each step is a page of its own at the same address. Nothing is stored.

import { beforeLeaving } from "/family/static/leave.js";

const main = document.getElementById("main");
let busy = false;

// A token that came behind the `#` is taken out of the address before anything else, and goes with the first tap.
const given = location.hash.slice(1);
if (given) {
  history.replaceState(null, "", location.pathname);
  if (/^[A-Za-z0-9_-]{40,8192}$/.test(given))
    for (const field of document.querySelectorAll('input[name="link"]')) {
      field.value = given;
      field.form.elements.reader.value = ""; // the words are then those for the age that the link says
    }
}

function offerCopy() {
  const button = document.getElementById("copy");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById("follow-up");
    try {
      await navigator.clipboard.writeText(code.dataset.code);
      button.textContent = button.dataset.copied;
    } catch {
      // Plain http, or refused: mark it, so that it can be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = button.dataset.byHand;
    }
  });
}

function put(page) {
  document.documentElement.lang = page.documentElement.lang;
  for (const id of ["tongues", "main"]) {
    const fresh = page.getElementById(id);
    document.getElementById(id).replaceChildren(...fresh.childNodes);
  }
  document.querySelector(".foot").replaceChildren(...page.querySelector(".foot").childNodes);
  document.getElementById("leave").textContent = page.getElementById("leave").textContent;
  offerCopy();
  // Whoever hears the page is told of a mistake by the alert; whoever sees it begins at the top.
  scrollTo(0, 0);
  const wrong = main.querySelector('[aria-invalid="true"]');
  (wrong ?? document.getElementById("top")).focus({ preventScroll: !wrong });
}

addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (!(form instanceof HTMLFormElement)) return;
  event.preventDefault();
  if (busy) return;
  busy = true;
  main.setAttribute("aria-busy", "true");
  const fields = new URLSearchParams(new FormData(form));
  if (button?.name) fields.set(button.name, button.value);
  try {
    const answer = await fetch(form.getAttribute("action"), {
      method: "POST",
      body: fields,
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      redirect: "error",
    });
    if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error("no page");
    put(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    const trouble = document.getElementById("trouble");
    trouble.textContent = trouble.dataset.words;
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  } finally {
    busy = false;
    main.removeAttribute("aria-busy");
  }
});

beforeLeaving(() => {
  for (const id of ["main", "tongues"]) document.getElementById(id).replaceChildren();
});
offerCopy();
