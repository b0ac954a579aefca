// What stands in the viewer's place before there is a result: the picture itself, and what to do where the run waits.

import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { on, state } from "./state.js";

export function start() {
  on(["result", "image", "run", "language"], draw);
  draw();
}

function draw() {
  const { result, image, run } = state;
  byId("panel").classList.toggle("bare", !result);
  if (result || !image) return;
  byId("awaited-picture").src = image.thumb;
  const press = ["waiting", "failed", "cancelled"].includes(run.phase);
  byId("awaited-words").textContent = press ? t("viewer.press") : "";
}
