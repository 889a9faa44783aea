// Shows in ComfyUI's page what has no place there: the proxy's notices, what a prompt waits for, what the endpoint has
// and lacks. Served by the proxy; nothing is installed into ComfyUI. The page imports this script alone.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { Catalog, newlyKnown, oneAtATime, refreshLists } from "./catalog.js";
import { check } from "./check.js";
import { Downloads } from "./downloads.js";
import { allNodes } from "./graph.js";
import { Marks } from "./marks.js";
import { ask } from "./proxy.js";
import { Remedies } from "./remedies.js";
import { TEXTS } from "./texts.js";
import { button, element, Toast } from "./toast.js";
import { WaitingLine } from "./waiting.js";

const NOTICE_MS = 8000;
const styles = new URL("./runpod.css", import.meta.url).href;
document.head.append(element("link", { rel: "stylesheet", href: styles }));

const notify = (severity, summary, detail, life = NOTICE_MS) =>
  app.extensionManager.toast.add({ severity, summary, detail, life });

const toast = new Toast();
const catalog = new Catalog(ask);
const marks = new Marks(app, catalog);
const remedies = new Remedies({
  toast,
  ask,
  notify,
  run: () => app.queuePrompt(0, 1),
  clientId: () => api.clientId,
});

/** The only way of the page to start a worker for its catalog alone: with its price, and after a second click. */
async function askEndpoint() {
  toast.show(TEXTS.asking);
  try {
    const { text, cost_usd } = await ask("catalog/refresh", { body: {}, dry: true });
    toast.show(text, { buttons: [button(TEXTS.askNow(cost_usd), startAsking, { primary: true })] });
  } catch (error) {
    toast.show(error.message);
  }
}

async function startAsking() {
  try {
    toast.show((await ask("catalog/refresh", { body: {} })).text);
  } catch (error) {
    toast.show(error.message);
  }
}

async function checkGraph() {
  await catalog.load();
  marks.look();
  if (!catalog.state.known) toast.show(TEXTS.notKnown, { buttons: [button(TEXTS.askLabel, askEndpoint)] });
  else await remedies.show(check(app, catalog.state));
}

/** A page in the background waits: it would load 3 MB that nobody looks at. */
function onCatalog() {
  if (document.hidden) document.addEventListener("visibilitychange", onCatalog, { once: true });
  else void followCatalog();
}

const followCatalog = oneAtATime(async () => {
  try {
    await refreshLists(app);
  } catch (error) {
    console.warn("comfy-runpod: the lists could not be refreshed", error); // ComfyUI may be restarting
  }
  await catalog.load();
  marks.look();
  offerToOpenAgain();
});

async function onReconnected() {
  if (await catalog.load()) onCatalog();
}

function offerToOpenAgain() {
  const count = newlyKnown(allNodes(app), window.LiteGraph.registered_node_types).length;
  if (!count || toast.open) return;
  toast.show(TEXTS.newNodes(count), { buttons: [button(TEXTS.loadAgain, openAgain, { primary: true })] });
}

async function openAgain() {
  toast.close();
  const { activeWorkflow } = app.extensionManager.workflow;
  await app.loadGraphData((app.rootGraph ?? app.graph).serialize(), true, false, activeWorkflow);
}

/** What to do first, for a person without a ComfyUI of their own. It stays until it is closed. */
async function showHint() {
  const { hint } = await ask("status").catch(() => ({}));
  if (hint) app.extensionManager.toast.add({ severity: "info", summary: TEXTS.hint, detail: hint });
}

app.registerExtension({
  name: "comfy-runpod.notices",
  commands: [
    { id: "RunPod.CheckGraph", label: TEXTS.lacksLabel, icon: "pi pi-check-circle", function: checkGraph },
    { id: "RunPod.AskEndpoint", label: TEXTS.askLabel, icon: "pi pi-cloud", function: askEndpoint },
  ],
  menuCommands: [{ path: ["RunPod"], commands: ["RunPod.CheckGraph", "RunPod.AskEndpoint"] }],
  async setup() {
    const line = new WaitingLine();
    new Downloads(app, remedies);
    void showHint();
    api.addEventListener("notification", ({ detail }) => line.update(detail));
    api.addEventListener("reconnecting", () => line.forget());
    api.addEventListener("reconnected", onReconnected);
    api.addEventListener("graphChanged", () => marks.refresh());
    api.addEventListener("runpod.notice", ({ detail: { severity, summary, detail, life } }) =>
      notify(severity, summary, detail, life),
    );
    api.addEventListener("runpod.remedies", ({ detail }) => remedies.show(detail));
    api.addEventListener("runpod.transfer", ({ detail }) => remedies.transfer(detail));
    api.addEventListener("runpod.catalog", onCatalog);
    await catalog.load();
    marks.refresh();
  },
  nodeCreated: () => marks.refresh(),
  afterConfigureGraph: () => marks.refresh(),
  refreshComboInNodes: () => marks.refresh(),
});
