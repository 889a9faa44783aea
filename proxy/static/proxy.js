// Questions to our proxy's API.
import { TEXTS } from "./texts.js";

const API = new URL("../../runpod/api/", import.meta.url);
const ANSWER_MS = 60_000;

/**
 * Ask the proxy. Without *body* it is a GET. With *dry* the proxy only says what it would do and what it would cost.
 * Resolves to its JSON; rejects with an Error whose message is a sentence for the person.
 */
export async function ask(path, { body, dry = false } = {}) {
  const url = new URL(path, API);
  if (dry) url.searchParams.set("dry", "1");
  const posted = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), ANSWER_MS);
  try {
    const response = await fetch(url, { ...(body === undefined ? {} : posted), signal: abort.signal });
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new Refused(sentence(answer) ?? TEXTS.status(response.status));
    return answer ?? {};
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(TEXTS.unreachable);
  } finally {
    clearTimeout(timer);
  }
}

class Refused extends Error {}

/** ComfyUI's shape of an error, which the proxy has as well. */
function sentence(answer) {
  const error = answer?.error;
  if (typeof error === "string") return error;
  return error?.details || error?.message || null;
}
