// The download buttons of the page's own "Missing models": the file would go to this machine, not to the endpoint.
import { asMissing, namedModels } from "./graph.js";
import { button } from "./toast.js";
import { TEXTS } from "./texts.js";

// Up to 1.35 a dialog, whose buttons have the address as their title (FileDownload.vue); from 1.49 on the errors tab,
// whose buttons name the file for screen readers (MissingModelRow.vue, MissingModelCard.vue).
const BY_ADDRESS = ".comfy-missing-models button[title]";
const BY_NAME = "[data-testid=missing-model-download]";
const ALL = "[data-testid=missing-model-download-all]";

/** The models of the graph that a download button stands for. */
export function modelsOf(clicked, named) {
  if (clicked.matches(BY_ADDRESS)) return named.filter((model) => model.url === clicked.title);
  const buttons = clicked.matches(ALL) ? [...document.querySelectorAll(BY_NAME)] : [clicked];
  return buttons.flatMap((one) => longest(named, one.getAttribute("aria-label") ?? ""));
}

/** The model whose name the label has; of two where one name ends with the other, the longer one. */
function longest(named, label) {
  const found = named.filter((model) => label.includes(model.name));
  return found.sort((one, other) => other.name.length - one.name.length).slice(0, 1);
}

/** Ask first where the file shall go. What is not ours to answer goes on as ever. */
export class Downloads {
  #allowed = new WeakSet();

  constructor(app, remedies) {
    this.app = app;
    this.remedies = remedies;
    document.addEventListener("click", (event) => this.#onClick(event), true);
  }

  #onClick(event) {
    const clicked = event.target.closest?.(`${BY_ADDRESS}, ${BY_NAME}, ${ALL}`);
    if (!clicked || this.#allowed.delete(clicked)) return;
    const models = modelsOf(clicked, namedModels(this.app));
    if (!models.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const here = button(TEXTS.downloadHere, () => this.#downloadHere(clicked, models));
    void this.remedies.show({ text: TEXTS.downloadQuestion, models: models.map(asMissing) }, [here]);
  }

  /** As if our question had not been; the page's button may be gone by now. */
  #downloadHere(clicked, models) {
    this.remedies.toast.close();
    if (clicked.isConnected) {
      this.#allowed.add(clicked);
      clicked.click();
      return;
    }
    for (const { url } of models) window.open(url, "_blank", "noopener");
  }
}
