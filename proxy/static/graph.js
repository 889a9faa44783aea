// Reads the graph that the page shows: its nodes, and the models that it names with their addresses.

/** All nodes that can run, those inside subgraphs too. */
export function allNodes(app) {
  const root = app.rootGraph ?? app.graph;
  const graphs = root ? [root, ...(root.subgraphs?.values() ?? [])] : [];
  return graphs.flatMap((graph) => graph.nodes ?? []);
}

/**
 * The files that a workflow names with the address they come from: { name, url, directory, sha256 }. Templates put
 * them into `properties.models` of a node; older ones into `models` of the workflow (workflowSchema.ts).
 */
export function namedModels(app) {
  const workflow = app.extensionManager?.workflow?.activeWorkflow?.activeState;
  const named = [...allNodes(app).flatMap((node) => listOf(node.properties?.models)), ...listOf(workflow?.models)];
  return named.filter(isNamed).map(({ name, url, directory, hash, hash_type }) => {
    const sha256 = String(hash_type).toUpperCase() === "SHA256" ? hash : undefined;
    return { name, url, directory, sha256 };
  });
}

const listOf = (value) => (Array.isArray(value) ? value : []);
const isText = (value) => typeof value === "string" && value !== "";
const isNamed = (model) => isText(model?.name) && isText(model.directory) && isText(model.url) && isWeb(model.url);

/** A workflow may have any text as an address, such as a script. */
function isWeb(url) {
  try {
    return ["https:", "http:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** As a missing model of a `runpod.remedies` message that can only be fetched. */
export function asMissing({ name, url, directory, sha256 }) {
  const fetch = { url, host: new URL(url).hostname, size: null, sha256 };
  return { kind: directory, name, size: null, here: false, fetch, command: "" };
}
