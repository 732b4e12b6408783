// <nl-help helplines='[{"name": "...", "contact": "..."}]'>: a button, and behind it whom to turn to and how to begin.

import { Base, h, helping } from "./base.js";

export class Help extends Base {
  draw(words) {
    const inside = this.hasAttribute("inline")
      ? helping(words, this)
      : [h("button", { type: "button", "aria-haspopup": "dialog", onclick: () => this.tried(this.show()) }, h("slot", {}, words.ui.help_open))];
    this.shadowRoot.querySelector(".panel, .inline")?.remove();
    const body = this.body(words, ...inside);
    if (this.hasAttribute("inline")) body.className = "inline";
    this.shadowRoot.append(body);
  }

  show() { return this.help(); }
}

customElements.define("nl-help", Help);
