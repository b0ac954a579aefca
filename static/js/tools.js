// The controls round the viewer: zoom, layout, what the pointer does, and which panel is on which side.

import { showPair, want } from "./compare.js";
import { byId } from "./dom.js";
import { look, on, state } from "./state.js";
import { SIDES } from "./viewer.js";

const LAYOUTS = { layout: "side", grid: "grid", difference: "difference" }; // button -> layout

const viewer = byId("viewer");

export function start() {
  viewer.addEventListener("gs-zoom", () => {
    byId("zoom-level").textContent = `${viewer.dataset.zoom.replace(/\.?0+$/, "")}×`;
  });
  byId("zoom-in").addEventListener("click", () => viewer.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.5));
  byId("zoom-fit").addEventListener("click", () => viewer.fit());
  byId("swap").addEventListener("click", () => {
    const { left, right } = state.view;
    want({ left: right, right: left });
  });
  byId("tool").addEventListener("click", () => {
    viewer.set({ tool: viewer.tool === "move" ? "probe" : "move" });
    marks();
  });
  for (const [id, layout] of Object.entries(LAYOUTS)) {
    byId(id).addEventListener("click", async () => {
      look({ layout: state.view.layout === layout ? "divider" : layout });
      viewer.set({ layout: state.view.layout });
      await showPair(); // the grid needs two panels more
    });
  }
  holdToFlip(byId("blink"));
  byId("actual").addEventListener("click", () => viewer.actual());
  byId("full").hidden = !document.fullscreenEnabled;
  byId("full").addEventListener("click", fullScreen);
  viewer.addEventListener("gs-full", fullScreen);
  document.addEventListener("fullscreenchange", marks);
  byId("opacity").addEventListener("input", () => {
    look({ opacity: byId("opacity").valueAsNumber });
    viewer.set({ opacity: state.view.opacity / 100 });
  });
  for (const side of SIDES) {
    byId(side).addEventListener("change", () => want({ [side]: byId(side).value }));
  }
  on(["view", "line", "region"], marks);
  on("result", enable);
  enable();
}

function enable() {
  for (const tool of byId("panel").querySelectorAll(".tools button")) tool.disabled = !state.result;
}

/** Left and right change places while a button is held, by pointer or by key. */
function holdToFlip(button) {
  const held = (event) => event.key === " " || event.key === "Enter";
  button.addEventListener("pointerdown", () => viewer.flip(true));
  button.addEventListener("keydown", (event) => held(event) && viewer.flip(true));
  button.addEventListener("keyup", (event) => held(event) && viewer.flip(false));
  for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"])
    button.addEventListener(end, () => viewer.flip(false));
}

async function fullScreen() {
  if (!document.fullscreenEnabled) return;
  if (document.fullscreenElement) await document.exitFullscreen();
  else await byId("panel").requestFullscreen();
}

function marks() {
  for (const [id, layout] of Object.entries(LAYOUTS))
    byId(id).setAttribute("aria-pressed", String(state.view.layout === layout));
  for (const [id, tool] of Object.entries({ tool: "move", line: "line", region: "region" }))
    byId(id).setAttribute("aria-pressed", String(viewer.tool === tool));
  byId("full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  byId("opacity").value = state.view.opacity;
}
