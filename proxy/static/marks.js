// Marks on the nodes that the endpoint cannot run as they are: a badge with the reason.
import { allNodes } from "./graph.js";
import { TEXTS } from "./texts.js";

const WAIT_MS = 300;
const NEVER = 2;
const BYPASS = 4;
const MISSING = { fgColor: "#fff", bgColor: "#a33a1a" };
const NOTE = { fgColor: "#fff", bgColor: "#3a5a8a" };

const classOf = (node) => node.comfyClass ?? node.type;
const runs = (node) => node.mode !== NEVER && node.mode !== BYPASS;

/** Classes and widgets may be called anything, "constructor" too. */
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** What the widget offers; undefined when it cannot be told. */
function offered(widget, node) {
  const values = widget.options?.values;
  if (typeof values === "function") return values(widget, node);
  return values && !Array.isArray(values) ? Object.keys(values) : values;
}

const isLinked = (node, widget) =>
  (node.inputs ?? []).some((input) => input.link != null && (input.widget?.name ?? input.name) === widget.name);

/** The models that the node asks for and the endpoint does not have: { kind, name, input }. */
export function missingModels(node, state) {
  const kinds = own(state.modelInputs, classOf(node));
  if (!kinds || !state.known || !runs(node)) return [];
  return (node.widgets ?? []).flatMap((widget) => {
    const kind = own(kinds, widget.name);
    if (kind === undefined || typeof widget.value !== "string" || !widget.value || isLinked(node, widget)) return [];
    const values = offered(widget, node);
    return !values || values.includes(widget.value) ? [] : [{ kind, name: widget.value, input: widget.name }];
  });
}

/** The badge of a node: its text and colours; null for a node that needs none. */
export function markOf(node, state) {
  if (!state.known || !runs(node)) return null;
  const type = classOf(node);
  if (state.onlyHere.has(type)) return { text: TEXTS.markNode, ...MISSING };
  const missing = missingModels(node, state);
  if (missing.length) return { text: TEXTS.markModels(missing.map(({ name }) => name)), ...MISSING };
  return state.onlyThere.has(type) ? { text: TEXTS.markFar, ...NOTE } : null;
}

/**
 * Keeps the badges up to date. They are in `node.badges`, which the canvas and the Vue nodes of newer frontends draw
 * and which no graph is saved with.
 */
export class Marks {
  #badges = new WeakMap(); // node -> our badge on it
  #timer = null;

  constructor(app, catalog) {
    this.app = app;
    this.catalog = catalog;
  }

  /** Look at the graph again soon; many calls are one look. */
  refresh() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.look();
    }, WAIT_MS);
  }

  look() {
    const changed = allNodes(this.app).filter((node) => this.#mark(node));
    if (changed.length) this.app.canvas?.setDirty(true, true);
  }

  /** Whether the node has another badge than before. */
  #mark(node) {
    const mark = markOf(node, this.catalog.state);
    const badge = this.#badges.get(node);
    if (badge?.text === mark?.text) return false;
    if (!Array.isArray(node.badges) || window.LGraphBadge === undefined) return false;
    const others = node.badges.filter((other) => other !== badge);
    const made = mark && new window.LGraphBadge(mark);
    this.#badges.set(node, made);
    node.badges = made ? [...others, made] : others;
    // what the nodes of the new design listen for in 1.49 (useGraphNodeManager.ts); others do not know it
    const change = { nodeId: node.id, property: "badges", oldValue: others, newValue: node.badges };
    node.graph?.trigger?.("node:property:changed", change);
    return true;
  }
}
