// What the endpoint lacks for a prompt, with a button for each way out.
import { plain, TEXTS } from "./texts.js";
import { button, Row } from "./toast.js";

const ROWS_MAX = 20;

const key = ({ kind, name }) => `${kind}/${name}`;

/** A file as `models/fetch` takes it. */
const toFetch = ({ kind, name, fetch }) => ({
  kind,
  name,
  url: fetch.url,
  ...(fetch.sha256 ? { sha256: fetch.sha256 } : {}),
});

/** One row a model, even if several nodes need it. */
function unique(models) {
  return [...new Map(models.map((model) => [key(model), model])).values()];
}

/** The sum; undefined when one of the values is not known. */
function sum(values) {
  return values.every(Number.isFinite) ? values.reduce((total, value) => total + value, 0) : undefined;
}

/** What was shown last, and which of its models have no answer yet. */
class Question {
  agreed = new Map(); // key of a model that can be fetched -> { model, cost, row }

  constructor({ refused = false, can_run_anyway = false, models = [], classes = [], differences = [] }) {
    this.refused = refused;
    this.canRunAnyway = can_run_anyway;
    this.models = unique(models);
    this.others = [...classes, ...differences];
    this.left = new Set(this.models.map(key));
    this.mendable = classes.length === 0;
  }
}

export class Remedies {
  #question = null;
  #transfers = new Map(); // key of a model -> { row, question }

  /**
   * *ask* asks the proxy; *run* queues the page's graph; *notify* shows a notice of the page; *clientId* tells the
   * page's websocket id.
   */
  constructor({ toast, ask, run, notify, clientId }) {
    Object.assign(this, { toast, ask, run, notify, clientId });
  }

  /** Show the data of a `runpod.remedies` message; *buttons* come last. Resolves when all prices are there. */
  async show(detail, buttons = []) {
    const question = (this.#question = new Question(detail));
    const prices = [];
    const makers = [
      ...question.models.map((model) => () => this.#modelRow(model, question, prices)),
      ...question.others.map((other) => () => otherRow(other)),
    ];
    const rows = makers.slice(0, ROWS_MAX).map((make) => make());
    const anyway = question.canRunAnyway ? [this.#runAnyway()] : [];
    const unshown = makers.length - rows.length;
    this.toast.show(plain(detail.text, 600), { rows, unshown, buttons: [...anyway, ...buttons] });
    await Promise.allSettled(prices);
    if (question === this.#question && question.agreed.size > 1) this.#offerAll(question);
  }

  /** The data of a `runpod.transfer` message: how far the upload of a file is. */
  transfer(detail) {
    const found = this.#transfers.get(key(detail));
    if (found === undefined) return; // another page has started it
    if (!detail.ended) {
      showTransfer(found.row, detail);
      return;
    }
    this.#transfers.delete(key(detail));
    if (detail.error) this.#transferFailed(found.row, detail);
    else this.#transferred(found, detail);
  }

  #modelRow(model, question, prices) {
    const row = new Row(TEXTS.model(model.name, model.kind), { detail: TEXTS.onNode(model.class_type, model.node_id) });
    if (this.#transfers.has(key(model))) {
      this.#transfers.set(key(model), { row, question });
      row.progress(0);
      return row;
    }
    if (model.like) row.say(TEXTS.like(model.like));
    if (model.here) prices.push(this.#offerSend(row, model, question));
    if (model.fetch) prices.push(this.#offerFetch(row, model, question));
    if (model.command) row.button(TEXTS.copy, (copy) => copyText(model.command, copy, row));
    return row;
  }

  async #offerSend(row, model, question) {
    const body = { kind: model.kind, name: model.name };
    const send = row.button(TEXTS.send(model.size), () => this.#send(row, model, question));
    const quiet = model.here === "perhaps";
    const plan = await this.#price("models/send", body, row, send, { quiet });
    if (!plan) return;
    if (Number.isFinite(plan.size)) {
      send.label(TEXTS.send(plan.size, plan.minutes));
      return;
    }
    send.remove();
    if (!quiet) row.add(plan.text);
  }

  async #send(row, model, question) {
    const { kind, name, size } = model;
    this.#transfers.set(key(model), { row, question }); // before the first word about it can arrive
    const answer = await this.ask("models/send", { body: { kind, name } }).catch((error) => ({ text: error.message }));
    if (!answer.started) {
      this.#transfers.delete(key(model));
      throw new Error(answer.text);
    }
    if (this.#transfers.has(key(model)) && row.bar.hidden) showTransfer(row, { done: 0, size: answer.size ?? size });
  }

  async #offerFetch(row, model, question) {
    const body = { models: [toFetch(model)] };
    const { host } = model.fetch;
    const fetch = row.button(TEXTS.fetch(host, model.fetch.size), () => this.#fetch([{ model, row }], question));
    const price = await this.#price("models/fetch", body, row, fetch);
    if (!price) return;
    const cost = price.models?.[0] ?? {};
    fetch.label(TEXTS.fetch(cost.host ?? host, cost.size ?? model.fetch.size, cost.minutes, cost.cost_usd));
    if (!Number.isFinite(cost.size)) row.add(TEXTS.sizeUnknown);
    if (cost.to === "worker") row.add(TEXTS.toWorker);
    question.agreed.set(key(model), { model, row, cost });
  }

  /** What a button's act would cost. A button whose act is not possible goes away, and the row says why. */
  async #price(path, body, row, made, { quiet = false } = {}) {
    made.disabled = true;
    try {
      return await this.ask(path, { body, dry: true });
    } catch (error) {
      made.remove();
      if (!quiet) row.add(error.message);
      return null;
    } finally {
      made.disabled = false;
    }
  }

  #offerAll(question) {
    const all = [...question.agreed.values()];
    const costs = all.map(({ cost, model }) => ({ ...cost, size: cost.size ?? model.fetch.size }));
    const [bytes, minutes, usd] = ["size", "minutes", "cost_usd"].map((name) => sum(costs.map((cost) => cost[name])));
    const act = () => this.#fetch(all, question);
    this.toast.foot.prepend(this.#button(TEXTS.fetchAll(all.length, bytes, minutes, usd), act, { primary: true }));
  }

  async #fetch(chosen, question) {
    await this.ask("models/fetch", { body: { models: chosen.map(({ model }) => toFetch(model)) } });
    for (const { model, row } of chosen) {
      question.left.delete(key(model));
      question.agreed.delete(key(model));
      row.settle(TEXTS.fetchAgreed);
    }
    if (this.#isMended(question)) this.#runAgain();
  }

  /** Every model of the refused prompt has its answer, so that it can be run as it is. */
  #isMended(question) {
    return question === this.#question && question.refused && question.mendable && question.left.size === 0;
  }

  #runAgain() {
    this.toast.close();
    return this.run();
  }

  #runAnyway() {
    return this.#button(TEXTS.runAnyway, async () => {
      await this.ask("catalog/trust", { body: { client_id: this.clientId() } });
      await this.#runAgain();
    });
  }

  #transferFailed(row, { name, error }) {
    row.bar.hidden = true;
    row.buttons.hidden = false;
    row.say(error);
    if (!row.element.isConnected) this.notify("error", TEXTS.sendFailed(name), plain(error));
  }

  /** An upload takes minutes: the person may do something else by now, so that nothing runs without a click. */
  #transferred({ row, question }, { kind, name }) {
    row.settle(TEXTS.sent);
    question.left.delete(key({ kind, name }));
    if (!row.element.isConnected) this.notify("success", TEXTS.model(name, kind), TEXTS.sent);
    else if (this.#isMended(question)) this.toast.foot.prepend(this.#button(TEXTS.run, () => this.#runAgain()));
  }

  #button(text, act, options = {}) {
    return button(text, act, { ...options, onError: (error) => this.notify("error", TEXTS.region, error.message) });
  }
}

function otherRow({ text, class_type, node_id }) {
  return new Row(plain(text), { detail: TEXTS.onNode(class_type, node_id) });
}

function showTransfer(row, { done, size }) {
  row.buttons.hidden = true;
  row.progress(size ? done / size : 0);
  row.say(TEXTS.sending(done, size));
}

/** Without a clipboard (a page that was not opened from this machine has none) the row shows the command. */
async function copyText(text, made, row) {
  try {
    await navigator.clipboard.writeText(text);
    made.label(TEXTS.copied);
  } catch {
    row.say(text);
  }
}
