// Every sentence that our scripts show in ComfyUI's page, and how they write sizes, times and money.

const GB = 1e9;
const MB = 1e6;
const SHOWN_MAX = 300;
// control characters, and the ones that change the direction of the text after them
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text from outside, such as a file name in a workflow: without characters that hide or turn others, and cut. */
export function plain(value, max = SHOWN_MAX) {
  const text = String(value ?? "").replace(UNSEEN, " ");
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}

/** "6.5 GB"; empty when *bytes* is not known. */
export function size(bytes) {
  if (!Number.isFinite(bytes) || bytes < 0) return "";
  if (bytes >= GB) return `${(bytes / GB).toFixed(1)} GB`;
  return bytes >= MB ? `${Math.round(bytes / MB)} MB` : `${Math.max(1, Math.round(bytes / 1000))} KB`;
}

/** "about 9 min"; empty when *minutes* is not known. */
export function duration(minutes) {
  if (!Number.isFinite(minutes) || minutes < 0) return "";
  return minutes < 1 ? "less than 1 min" : `about ${Math.round(minutes)} min`;
}

/** "~$0.03"; empty when *usd* is not known. */
export function price(usd) {
  if (!Number.isFinite(usd) || usd < 0) return "";
  return usd > 0 && usd < 0.01 ? "<$0.01" : `~$${usd.toFixed(2)}`;
}

const details = (...parts) => {
  const known = parts.filter(Boolean);
  return known.length ? ` (${known.join(", ")})` : "";
};
const more = (count, noun) => (count > 1 ? ` (+${count - 1} more ${noun})` : "");

export const TEXTS = {
  region: "RunPod",
  hint: "ComfyUI on RunPod",
  close: "Close",
  more: (count) => `and ${count} more`,

  waitingMore: (count) => ` (+${count} more)`,

  send: (bytes, minutes) => `Send mine${details(size(bytes), duration(minutes))}`,
  sending: (done, bytes) => `Sending: ${size(done)} of ${size(bytes)}`,
  sent: "It is on the endpoint's volume now.",
  sendFailed: (name) => `${plain(name, 80)} was not sent`,
  fetch: (host, bytes, minutes, usd) =>
    `Let the worker fetch it from ${plain(host, 60)}${details(size(bytes), duration(minutes), price(usd))}`,
  fetchAll: (count, bytes, minutes, usd) =>
    `Let the worker fetch all ${count}${details(size(bytes), duration(minutes), price(usd))}`,
  fetchAgreed: "The worker fetches it before the next run.",
  sizeUnknown: "Its host does not say how large it is.",
  like: (name) => `The endpoint has ${plain(name, 120)}.`,
  toWorker: "There is no network volume: each new worker has to fetch it again.",
  copy: "Copy the command",
  copied: "Copied",
  runAnyway: "Run anyway",
  run: "Run",
  asking: "Asking…",
  unreachable: "The proxy does not answer.",
  status: (status) => `The proxy answered with status ${status}.`,

  model: (name, kind) => `${plain(name, 160)} · ${plain(kind, 60)}`,
  onNode: (type, id) => [plain(type, 80), id == null ? "" : `#${plain(id, 20)}`].filter(Boolean).join(" "),

  downloadHere: "Download to this machine anyway",
  downloadQuestion: "This button downloads to this machine, but the graph runs on the endpoint.",

  markNode: "not on the endpoint",
  markNodeWhy: (type) => `The endpoint does not have the node ${plain(type, 80)}.`,
  markModels: (names) => `endpoint lacks ${plain(names[0], 28)}${more(names.length, names.length > 2 ? "models" : "model")}`,
  markFar: "endpoint only: plain widgets",
  markFarWhy: (type) =>
    `Only the endpoint has the node ${plain(type, 80)}. It runs there. Here it has plain widgets, ` +
    "without the script of its own pack.",

  askLabel: "RunPod: ask the endpoint what it has",
  askNow: (usd) => `Ask now${details(price(usd))}`,
  lacksLabel: "RunPod: check this graph against the endpoint",
  lacksNothing: "The endpoint has the nodes and the models of this graph.",
  lacksSome: "The endpoint does not have all that this graph needs.",
  notKnown: "Nothing is known yet of what the endpoint has. The first run tells it, or you can ask now.",
  newNodes: (count) =>
    `The endpoint has ${count === 1 ? "a node" : `${count} nodes`} of this graph that the page did not know when the ` +
    "graph was opened.",
  loadAgain: "Open the graph again",
};
