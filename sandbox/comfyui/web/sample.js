// The frontend's own default graph needs models, which the sandbox has not: a first visit shows a sample that runs.
import { app } from "../../scripts/app.js";

const KEPT = "workflow"; // where the frontend keeps the graph of the last visit

app.registerExtension({
  name: "sandbox.sample",
  async init() {
    if (localStorage.getItem(KEPT)) return;
    const answer = await fetch("/userdata/workflows%2Finvert.json");
    if (answer.ok) localStorage.setItem(KEPT, await answer.text());
  },
});
