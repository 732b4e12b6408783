// <nl-report endpoint="/your/report" about="player_71">: tell the service about somebody. It is sent to your own endpoint, which adds the
// key and whatever only it knows, and hands it on to POST /v1/user-reports. `category` makes it one tap; `block` offers to block as well.

import { Base, close, copying, h } from "./base.js";

const CATEGORIES = ["uncomfortable", "asked_for_pictures", "threatened", "wants_to_meet", "self_harm", "in_danger", "other"];
const MOST_TEXT = 5000;

const newId = () => "web-" + [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const list = (given) => (given ?? "").split(/\s+/).filter(Boolean);

export class Report extends Base {
  static observedAttributes = [...Base.observedAttributes, "category", "block", "status"];
  #once = null;
  #shown = null;

  draw(words) {
    const ui = words.ui, preset = CATEGORIES.includes(this.getAttribute("category"));
    const label = this.hasAttribute("block") && preset ? ui.report_block_open : ui.report_open;
    this.shadowRoot.querySelector(".panel")?.remove();
    this.shadowRoot.append(this.body(words,
      h("button", { type: "button", "aria-haspopup": "dialog", onclick: () => this.tried(this.show()) }, h("slot", {}, label)),
      this.hasAttribute("status") && h("button", { type: "button", "data-ask": true, "aria-haspopup": "dialog", onclick: () => this.tried(this.ask()) }, ui.ask_open)));
  }

  // Asked again while it is open, it is the same one.
  show() {
    this.#shown ??= this.#show().finally(() => { this.#shown = null; });
    return this.#shown;
  }

  async #show() {
    const words = await this.say(), ui = words.ui;
    const category = this.getAttribute("category");
    if (CATEGORIES.includes(category)) return this.#send(words, { category, text: "", block: this.hasAttribute("block") });
    const given = await this.present(words, (done) => [this.#form(ui, done)], null);
    return given && this.#send(words, given);
  }

  #form(ui, done) {
    const wrong = h("p", { role: "alert", class: "said", hidden: true }, ui.report_need);
    const text = h("textarea", { rows: 3, maxlength: MOST_TEXT, id: "text", autocomplete: "off" });
    const block = this.hasAttribute("block") && h("input", { type: "checkbox" });
    const picks = CATEGORIES.map((name) => h("label", { class: "pick" }, h("input", { type: "radio", name: "category", value: name }), ui[name]));
    const submit = (event) => {
      event.preventDefault();
      const picked = picks.map((pick) => pick.firstChild).find((one) => one.checked);
      if (picked) return done({ category: picked.value, text: text.value.trim(), block: Boolean(block && block.checked) });
      wrong.hidden = false;
      picks[0].firstChild.focus();
    };
    return h("form", { onsubmit: submit, novalidate: true },
      h("h2", { id: "title", tabindex: -1 }, ui.report_title),
      h("p", {}, ui.report_note),
      wrong,
      h("fieldset", {}, h("legend", { class: "quiet" }, ui.report_pick), ...picks),
      h("p", {}, h("label", { for: "text" }, ui.report_text), text),
      block && h("label", { class: "pick" }, block, ui.report_block),
      h("div", { class: "choices" },
        h("button", { type: "submit", class: "main" }, ui.report_send),
        h("button", { type: "button", onclick: () => done(null) }, ui.cancel)));
  }

  // The same id until it got through: a second try is no second report.
  async #send(words, given) {
    const ui = words.ui;
    this.#once ??= newId();
    const events = list(this.getAttribute("events")), conversation = this.getAttribute("conversation");
    const report = {
      id: this.#once,
      category: given.category,
      about: list(this.getAttribute("about")).map((account) => ({ account })),
      ...(given.text && { text: given.text }),
      ...(conversation && { conversation }),
      ...(events.length && { items: events.map((event) => ({ event })) }),
    };
    // Blocking does not wait for the report to get through.
    if (given.block) { this.emit("nl-block", { about: list(this.getAttribute("about")) }); given = { ...given, block: false }; }
    for (;;) {
      const answer = await this.#post("endpoint", report);
      if (answer?.code) {
        this.#once = null;
        this.emit("nl-reported", { id: report.id, category: given.category });
        await this.present(words, (done) => [...this.#code(words, answer), close(ui, done)], null);
        return true;
      }
      const again = await this.present(words, (done) => [
        h("h2", { id: "title", tabindex: -1 }, ui.report_failed),
        h("p", {}, ui.report_kept),
        h("div", { class: "choices" },
          h("button", { type: "button", class: "main", onclick: () => done(true) }, ui.report_again),
          h("button", { type: "button", onclick: () => done(null) }, ui.cancel)),
      ], null);
      if (!again) return false;
    }
  }

  // `transport`, where the page set it, in place of a request of ours: async (attribute, body) => the answer as an object.
  async #post(attribute, body) {
    try {
      if (this.transport) return await this.transport(attribute, body);
      if (!this.getAttribute(attribute)) throw new Error(`nl-report has no ${attribute}`);
      const answer = await fetch(new URL(this.getAttribute(attribute), document.baseURI), {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), credentials: "same-origin", referrerPolicy: "no-referrer",
      });
      return answer.ok ? await answer.json() : null;
    } catch (error) {
      this.emit("nl-error", { message: error.message });
      return null;
    }
  }

  // Large, and kept by nobody but the one who reads it.
  #code(words, { code, message }) {
    const ui = words.ui, thanks = words.messages[message] ?? words.messages["report.thanks"];
    const save = () => {
      const link = h("a", { href: URL.createObjectURL(new Blob([code + "\n"], { type: "text/plain" })), download: "note.txt" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    };
    return [
      h("h2", { id: "title", tabindex: -1 }, thanks.title),
      h("p", {}, thanks.body),
      h("h3", {}, ui.code_title),
      h("p", { class: "code said", dir: "ltr" }, code),
      h("p", { class: "quiet" }, ui.code_note),
      copying(ui, code),
      h("p", {}, h("button", { type: "button", "data-save": true, onclick: save }, ui.code_save)),
    ];
  }

  async ask() {
    const words = await this.say(), ui = words.ui;
    await this.present(words, (done) => {
      const field = h("input", { type: "text", id: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 64 });
      const told = h("div", { role: "status" });
      const look = async (event) => {
        event.preventDefault();
        const answer = await this.#post("status", { code: field.value });
        const found = answer && words.messages[answer.message];
        told.replaceChildren(h("p", { class: "said" }, found ? `${found.title}. ${found.body}` : ui.ask_unknown));
      };
      return [
        h("form", { onsubmit: look, novalidate: true },
          h("h2", { id: "title", tabindex: -1 }, ui.ask_open),
          h("p", {}, h("label", { for: "code" }, ui.ask_label), field),
          told,
          h("div", { class: "choices" }, h("button", { type: "submit", class: "main" }, ui.ask_send))),
        close(ui, done),
      ];
    }, null);
  }
}

customElements.define("nl-report", Report);
