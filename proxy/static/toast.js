// A box with sentences and buttons beside ComfyUI's own page. It stays until it is closed.
import { plain, TEXTS } from "./texts.js";

/** An element with properties and children; texts become text, never markup. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/**
 * A button that does one thing. While *act* works the button is disabled; what it throws goes to *onError*.
 * `button.label(text)` says something else on it.
 */
export function button(text, act, { primary = false, onError = () => {} } = {}) {
  const made = element("button", { type: "button", textContent: text, className: primary ? "primary" : "" });
  made.label = (other) => (made.textContent = other);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await act(made);
    } catch (error) {
      onError(error);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/** One line of the box: a text, a note that may change, buttons, and a bar while something is transferred. */
export class Row {
  constructor(text, { detail = "" } = {}) {
    this.note = element("p", { className: "note", hidden: true });
    this.note.setAttribute("role", "status");
    this.buttons = element("div", { className: "buttons" });
    this.bar = element("progress", { max: 1, value: 0, hidden: true });
    const said = element("p", { textContent: text });
    if (detail) said.append(element("span", { className: "soft", textContent: ` ${detail}` }));
    this.element = element("li", {}, said, this.bar, this.note, this.buttons);
    this.bar.setAttribute("aria-label", text);
  }

  say(text) {
    this.note.textContent = plain(text);
    this.note.hidden = !text;
  }

  /** Say one thing more. */
  add(text) {
    this.say(`${this.note.textContent} ${text}`.trim());
  }

  /** Add a button whose failure is said in this row. */
  button(text, act, options = {}) {
    const made = button(text, act, { ...options, onError: (error) => this.say(error.message) });
    this.buttons.append(made);
    return made;
  }

  /** Show how far a transfer is, from 0 to 1. */
  progress(share) {
    this.bar.hidden = false;
    this.bar.value = share;
  }

  /** Nothing more is to be done about this line. */
  settle(text) {
    this.bar.hidden = true;
    this.buttons.replaceChildren();
    this.say(text);
  }
}

/** The box. There is one: what is shown replaces what was shown before. */
export class Toast {
  constructor() {
    this.element = element("section", { id: "comfy-runpod-toast", hidden: true });
    this.element.setAttribute("aria-label", TEXTS.region);
    document.body.append(this.element);
    // before the page's own listeners: some dialogs take every Escape
    document.addEventListener("keydown", (event) => this.#onKey(event), true);
  }

  get open() {
    return !this.element.hidden;
  }

  /** Show a sentence, rows below it and how many are left out, and buttons at the end (more may join `foot`). */
  show(text, { rows = [], unshown = 0, buttons = [] } = {}) {
    const close = element("button", { type: "button", className: "close", textContent: "✕", title: TEXTS.close });
    close.setAttribute("aria-label", TEXTS.close);
    close.addEventListener("click", () => this.close());
    const said = element("p", { textContent: plain(text, 600) });
    said.setAttribute("role", "alert");
    const list = element("ul", {}, ...rows.map((row) => row.element));
    if (unshown > 0) list.append(element("li", { textContent: TEXTS.more(unshown) }));
    this.foot = element("div", { className: "buttons" }, ...buttons);
    this.element.replaceChildren(element("header", {}, said, close), list, this.foot);
    this.element.hidden = false;
  }

  close() {
    const focused = this.element.contains(document.activeElement);
    this.element.hidden = true;
    this.element.replaceChildren();
    if (focused) document.querySelector("canvas#graph-canvas")?.focus();
  }

  /** Escape closes the page's own dialog first, unless the focus is in this box. */
  #onKey(event) {
    if (event.key !== "Escape" || !this.open) return;
    const focused = this.element.contains(document.activeElement);
    if (!focused && dialogIsOpen()) return;
    this.close();
    if (focused) event.stopPropagation();
  }
}

function dialogIsOpen() {
  return [...document.querySelectorAll("[role=dialog]")].some((dialog) => dialog.getClientRects().length > 0);
}
