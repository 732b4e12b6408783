// <nl-nudge situation="asked_for_secrecy" reader="11-13" open>: the words of one moment, in a dialog of their own.

import { Base } from "./base.js";

export class Nudge extends Base {
  static observedAttributes = [...Base.observedAttributes, "open"];
  #shown = null;

  draw() { if (this.hasAttribute("open")) this.show(); }

  attributeChangedCallback(name, before, now) {
    if (name !== "open") super.attributeChangedCallback(name, before, now);
    else if (now !== null && this.isConnected) this.show();
  }

  // Gives the choice. Asked again while it is open, it is the same one.
  show(situation = this.getAttribute("situation")) {
    this.#shown ??= this.moment(situation).finally(() => { this.#shown = null; this.removeAttribute("open"); });
    this.#shown.catch((error) => this.emit("nl-error", { message: error.message }));
    return this.#shown;
  }
}

customElements.define("nl-nudge", Nudge);
