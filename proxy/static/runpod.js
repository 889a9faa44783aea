// Shows in ComfyUI's page what has no place there: the proxy's notices, and a line about what a prompt waits for.
// Served by the proxy; nothing is installed into ComfyUI.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const STYLE = `position:fixed;left:50%;bottom:1.2em;transform:translateX(-50%);z-index:900;pointer-events:none;
  max-width:90vw;padding:.4em 1em;border-radius:1em;font:13px/1.4 system-ui,sans-serif;
  color:#eee;background:#222d;box-shadow:0 1px 6px #0008`;

/** The line: the prompt that has waited longest, for how long, and how many more wait. */
class WaitingLine {
  waiting = new Map(); // prompt id -> { text, since }

  constructor() {
    this.element = document.createElement("div");
    this.element.id = "comfy-runpod-waiting";
    this.element.setAttribute("role", "status");
    this.element.style.cssText = STYLE;
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
    const more = others.length ? ` (+${others.length} more)` : "";
    const text = `${first.text}${seconds >= 3 ? ` · ${seconds} s` : ""}${more}`;
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}

/** What to do first, for a person without a ComfyUI of their own. */
async function showHint() {
  const answer = await fetch("/runpod/api/status").catch(() => null);
  const { hint } = answer?.ok ? await answer.json() : {};
  if (hint) app.extensionManager.toast.add({ severity: "info", summary: "ComfyUI on RunPod", detail: hint });
}

app.registerExtension({
  name: "comfy-runpod.notices",
  setup() {
    const line = new WaitingLine();
    showHint();
    api.addEventListener("notification", ({ detail }) => line.update(detail));
    api.addEventListener("reconnecting", () => line.forget());
    api.addEventListener("runpod.notice", ({ detail }) => {
      app.extensionManager.toast.add({
        severity: detail.severity,
        summary: detail.summary,
        detail: detail.detail,
        life: detail.life,
      });
    });
  },
});
