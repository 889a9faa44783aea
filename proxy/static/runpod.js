// Shows the proxy's notices as toasts of the page. Served by the proxy; nothing is installed into ComfyUI.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

app.registerExtension({
  name: "comfy-runpod.notices",
  setup() {
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
