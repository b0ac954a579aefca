// The overlay of all Gaussians that the right panel was mixed by, drawn while its switch is on.

import * as api from "./api.js";
import { mixedNow } from "./compare.js";
import { byId } from "./dom.js";
import { look, on, state } from "./state.js";
import { trouble } from "./trouble.js";

let known = null; // {of, set} of what was asked for last
let drawn = ""; // what is on show, or on its way

export function start() {
  byId("ellipses").addEventListener("click", async () => {
    look({ ellipses: !state.view.ellipses });
    await draw();
  });
  on(["result", "view"], draw);
  on("view", () => byId("ellipses").setAttribute("aria-pressed", String(state.view.ellipses)));
}

async function draw() {
  const { result } = state;
  const viewer = byId("viewer");
  if (!state.view.ellipses || !result) {
    if (drawn) viewer.mark({ ellipses: null });
    drawn = "";
    return;
  }
  try {
    const mixed = mixedNow();
    const of = [result.job, mixed.group, mixed.method].join();
    if (of === drawn) return;
    drawn = of;
    if (known?.of !== of) known = { of, set: await api.kernels(result.job, mixed) };
    if (drawn === of) viewer.mark({ ellipses: known.set });
  } catch (error) {
    await trouble(error);
  }
}
