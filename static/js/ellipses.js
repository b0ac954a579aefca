// The overlay of all Gaussians: asked for once a result, drawn while its switch is on.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { look, on, state } from "./state.js";
import { trouble } from "./trouble.js";

let known = null; // {job, set}

export function start() {
  byId("ellipses").addEventListener("click", async () => {
    look({ ellipses: !state.view.ellipses });
    await draw();
  });
  on("result", draw);
  on("view", () => byId("ellipses").setAttribute("aria-pressed", String(state.view.ellipses)));
}

async function draw() {
  const { result } = state;
  const viewer = byId("viewer");
  if (!state.view.ellipses || !result) return viewer.mark({ ellipses: null });
  try {
    if (known?.job !== result.job) known = { job: result.job, set: await api.kernels(result.job) };
    if (state.result === result && state.view.ellipses) viewer.mark({ ellipses: known.set });
  } catch (error) {
    await trouble(error);
  }
}
