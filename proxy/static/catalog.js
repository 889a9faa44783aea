// What the proxy knows of the endpoint, and ComfyUI's lists when it changes.

const NOTHING = { known: false, onlyHere: new Set(), onlyThere: new Set(), modelInputs: {}, version: "" };

/** The endpoint as `GET /runpod/api/catalog` describes it; *state* is empty while nothing is known. */
export class Catalog {
  state = NOTHING;

  constructor(ask) {
    this.ask = ask;
  }

  /** Ask the proxy again; whether it has another catalog. While it does not answer, the last answer stays. */
  async load() {
    const answer = await this.ask("catalog").catch(() => null);
    if (answer === null) return false;
    const { version } = this.state;
    const endpoints = answer.endpoints ?? [];
    this.state = {
      known: endpoints.some((endpoint) => endpoint.known),
      onlyHere: new Set(answer.only_here ?? []),
      onlyThere: new Set(answer.only_there ?? []),
      modelInputs: answer.model_inputs ?? {},
      version: endpoints.map((endpoint) => endpoint.sha256).join(),
    };
    return this.state.version !== version;
  }
}

/**
 * Let the page read /object_info again, so that its lists show what the endpoint has now.
 *
 * `app.reloadNodeDefs` (frontend 1.49 and newer) does so silently; `app.refreshComboInNodes`, as the key R does it, is
 * what older ones have: they show for a second that the lists were updated. See scripts/app.ts of the frontend.
 */
export async function refreshLists(app) {
  if (app.reloadNodeDefs === undefined) {
    await app.refreshComboInNodes();
    return;
  }
  await app.reloadNodeDefs();
  // the red marks of models that are there now
  await app.refreshMissingModels?.({ reloadDefs: false, silent: true });
}

/** *act*, one at a time: the calls that come while it works are one more turn after it. */
export function oneAtATime(act) {
  let working = false;
  let due = false;
  return async () => {
    due = true;
    if (working) return;
    working = true;
    try {
      while (due) {
        due = false;
        await act();
      }
    } finally {
      working = false;
    }
  };
}

/**
 * The nodes that ComfyUI did not know when it opened the graph, and knows now. It opens such a node as a plain
 * LGraphNode with what it was saved as (LGraph.configure), and keeps it so until the graph is opened again.
 */
export function newlyKnown(nodes, registered) {
  return nodes.filter((node) => node.constructor === window.LGraphNode && node.last_serialization && node.type in registered);
}
