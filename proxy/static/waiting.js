// A line at the bottom of the page about the prompt that waits.
import { TEXTS } from "./texts.js";

/** The line: the prompt that has waited longest, for how long, and how many more wait. */
export class WaitingLine {
  waiting = new Map(); // prompt id -> { text, since }

  constructor() {
    this.element = document.createElement("div");
    this.element.id = "comfy-runpod-waiting";
    this.element.setAttribute("role", "status");
    this.element.hidden = true;
    document.body.append(this.element);
    setInterval(() => this.show(), 1000);
  }

  update({ value, id }) {
    const known = this.waiting.get(id);
    if (value) this.waiting.set(id, { text: value, since: known?.since ?? Date.now() });
    else this.waiting.delete(id);
    this.show();
  }

  forget() {
    this.waiting.clear(); // after a lost connection the proxy sends again what waits
    this.show();
  }

  show() {
    const [first, ...others] = this.waiting.values();
    this.element.hidden = first === undefined;
    if (first === undefined) return;
    const seconds = Math.round((Date.now() - first.since) / 1000);
    const more = others.length ? TEXTS.waitingMore(others.length) : "";
    const text = `${first.text}${seconds >= 3 ? ` · ${seconds} s` : ""}${more}`;
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}
