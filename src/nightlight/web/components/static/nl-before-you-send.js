// <nl-before-you-send><input type="file"></nl-before-you-send>: a pause with three choices before a picture leaves. On the device alone.

import { Base, h, worthAPause } from "./base.js";

const PICTURE = /^(image\/|video\/|$)/; // what says nothing of itself may be one

export class BeforeYouSend extends Base {
  #last = Promise.resolve();
  #given = new WeakSet();

  constructor() {
    super();
    // While capturing, so before any listener of the field itself or of the page around it.
    for (const name of ["input", "change"]) this.addEventListener(name, (event) => this.#caught(event), true);
  }

  draw(words) {
    if (this.shadowRoot.querySelector("slot")) return;
    this.shadowRoot.append(h("slot"), h("p", { class: "quiet", role: "status", id: "waiting", hidden: true }, words.ui.paused));
  }

  #caught(event) {
    const field = event.target;
    if (field.type !== "file" || this.#given.has(event)) return;
    event.stopImmediatePropagation();
    if (event.type !== "change" || !field.files.length) return;
    const files = [...field.files];
    field.value = ""; // so that no form takes them along meanwhile
    this.ask(files).then((go) => { if (go) this.#give(field, files); });
  }

  #give(field, files) {
    const carried = new DataTransfer();
    for (const file of files) carried.items.add(file);
    field.files = carried.files;
    for (const name of ["input", "change"]) {
      const event = new Event(name, { bubbles: true, composed: name === "input" });
      this.#given.add(event);
      field.dispatchEvent(event);
    }
  }

  // Whether these files (File or Blob) may go. False as well where it could not be asked. One after another.
  ask(files) {
    const asked = this.#last.then(() => this.#ask([...files]));
    this.#last = asked.catch(() => false);
    return this.#last;
  }

  async #ask(files) {
    const pictures = files.filter((file) => PICTURE.test(file.type ?? ""));
    if (!pictures.length || !(await worthAPause(this, pictures))) return true;
    const note = this.shadowRoot.querySelector("#waiting");
    if (note) note.hidden = this.maySee; // words that say nothing of why
    const choice = await this.moment("sending_picture").catch((error) => this.emit("nl-error", { message: error.message }) && "stop");
    if (note) note.hidden = true;
    return choice === "go_on";
  }
}

customElements.define("nl-before-you-send", BeforeYouSend);
