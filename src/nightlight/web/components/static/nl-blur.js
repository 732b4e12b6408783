// <nl-blur><img ...></nl-blur>: a picture that came is covered until whoever got it decides. On the device alone.

import { Base, h, worthAPause } from "./base.js";

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: inline-block; position: relative; max-inline-size: 100%; min-inline-size: min(220px, 100%); }
.frame { overflow: hidden; min-block-size: 120px; border-radius: var(--_radius); background: var(--_soft); }
.covered ::slotted(*) { filter: blur(var(--nl-blur, 36px)) grayscale(1) contrast(.4) !important; opacity: .35 !important; pointer-events: none; }
::slotted(img), ::slotted(video) { display: block; max-inline-size: 100%; block-size: auto; }
.cover { position: absolute; inset: 0; display: grid; place-content: center; padding: 8px; text-align: center; }
.again { margin-block-start: 8px; }
@media print { .covered { visibility: hidden; } }
`);

export class Blur extends Base {
  #covered = true;
  #turn = 0;
  #watch = new MutationObserver(() => this.cover());

  constructor() {
    super();
    // What plays by itself is not heard either.
    this.addEventListener("play", (event) => { if (this.#covered) event.target.pause(); }, true);
  }

  connectedCallback() {
    this.shadowRoot.adoptedStyleSheets = [...new Set([...this.shadowRoot.adoptedStyleSheets, sheet])];
    this.#paint(null); // covered before any word has come
    super.connectedCallback();
    this.#watch.observe(this, { subtree: true, childList: true, attributes: true, attributeFilter: ["src", "srcset", "poster"] });
    this.#look();
  }

  disconnectedCallback() {
    this.#watch.disconnect();
    this.#covered = true;
    super.disconnectedCallback();
  }

  draw(words) { this.#paint(words); }
  get covered() { return this.#covered; }

  // Another picture in the same place is covered anew.
  cover() { this.#set(true); this.#look(); }

  #set(covered) {
    this.#turn += 1;
    this.#covered = covered;
    for (const video of covered ? this.querySelectorAll("video, audio") : []) video.pause();
    this.#paint();
  }

  #words = null;
  #paint(words = this.#words) {
    this.#words = words ?? this.#words;
    const ui = this.#words?.ui, root = this.shadowRoot;
    let frame = root.querySelector(".frame");
    if (!frame) root.prepend(frame = h("div", {}, h("slot")));
    frame.className = this.#covered ? "frame covered" : "frame";
    frame.inert = this.#covered;
    frame.ariaHidden = String(this.#covered);
    root.querySelector(".panel")?.remove();
    if (!ui) return;
    frame.after(this.body(this.#words, h("button", { type: "button", onclick: () => (this.#covered ? this.ask() : this.cover()) }, this.#covered ? ui.covered : ui.cover_again)));
    root.querySelector(".panel").className = this.#covered ? "panel cover" : "panel again";
  }

  async ask() {
    const turn = this.#turn;
    const choice = await this.moment("picture_received").catch((error) => this.emit("nl-error", { message: error.message }) && "stop");
    if (choice === "go_on" && turn === this.#turn) this.#set(false);
    if (choice === "go_on") this.shadowRoot.querySelector(".panel button")?.focus();
    return choice;
  }

  // With a check of the operator's own, what it lets pass is shown unasked; whatever fails stays covered.
  async #look() {
    const picture = this.querySelector("img");
    if (!picture || !this.hasAttribute("check") || this.querySelectorAll("img, video").length !== 1) return;
    const turn = this.#turn;
    const pause = await picture.decode().then(() => worthAPause(this, [picture]), () => true);
    if (!pause && turn === this.#turn && this.isConnected) this.#set(false);
  }
}

customElements.define("nl-blur", Blur);
