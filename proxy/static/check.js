// What the marks of the graph say, as a list that a screen reader reads, with the ways out.
import { allNodes, asMissing, namedModels } from "./graph.js";
import { missingModels } from "./marks.js";
import { TEXTS } from "./texts.js";

/** As the data of a `runpod.remedies` message, but nothing was refused. */
export function check(app, state) {
  const nodes = allNodes(app);
  const named = namedModels(app);
  const models = nodes.flatMap((node) =>
    missingModels(node, state).map((missing) => described(node, missing, named)),
  );
  const classes = nodes.flatMap((node) => {
    const type = node.comfyClass ?? node.type;
    const why = state.onlyHere.has(type) ? TEXTS.markNodeWhy : state.onlyThere.has(type) ? TEXTS.markFarWhy : null;
    return why ? [{ node_id: node.id, class_type: "", text: why(type) }] : [];
  });
  const lacks = models.length > 0 || nodes.some((node) => state.onlyHere.has(node.comfyClass ?? node.type));
  return { text: lacks ? TEXTS.lacksSome : TEXTS.lacksNothing, models, differences: classes };
}

function described(node, { kind, name, input }, named) {
  const file = name.split(/[\\/]/).at(-1);
  const source = named.find((model) => model.directory === kind && model.name.split("/").at(-1) === file);
  const base = source ? asMissing({ ...source, name }) : { kind, name, command: "" };
  return { ...base, input, node_id: node.id, class_type: node.comfyClass ?? node.type, here: "perhaps" };
}
