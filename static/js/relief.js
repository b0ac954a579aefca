// One number a pixel as a relief that can be turned; where the browser cannot, shaded as a map is. Its points as .ply.

import * as api from "./api.js";
import { pixelsOf } from "./classes.js";
import { calledNow, rightPanel } from "./compare.js";
import { byId, h, savePng } from "./dom.js";
import { t } from "./i18n.js";
import { picture } from "./panels.js";
import { surface } from "./relief_gl.js";
import { on, state } from "./state.js";
import { trouble } from "./trouble.js";
import { numbersOf } from "./values.js";

const MOST = 384; // points along each side: more are nearer than a screen's pixels
const TURN = Math.PI / 36; // of an arrow key
const START = { yaw: -0.5, pitch: -0.7, zoom: 1 };

let gl; // what draws, null where nothing can; unknown until it is first wanted
let shown = null; // {panel, skins, width, height, heights}
let view = { ...START };

export function start() {
  const canvas = byId("relief-canvas");
  byId("relief").addEventListener("click", () => open().catch(trouble));
  for (const id of ["relief-rise", "relief-over", "relief-skin"]) byId(id).addEventListener("input", shape);
  byId("relief-save").addEventListener("click", () => savePng(canvas, "relief"));
  canvas.addEventListener("pointermove", drag);
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("keydown", key);
  on(["view", "result", "language"], enable);
  enable();
}

/** The right panel, if it is one number a pixel of the picture's size that the server has. */
function panel() {
  const { result } = state;
  if (!result) return null;
  const right = rightPanel();
  if (!right?.bar || right.canvas) return null;
  return right.width === result.image.width && right.height === result.image.height ? right : null;
}

function enable() {
  byId("relief").disabled = !panel();
  byId("relief").title = panel() ? "" : t("relief.needs");
}

async function open() {
  const by = panel();
  const { job, panels } = state.result;
  const original = panels.find((p) => p.name === "original");
  const [found, drawn, photo] = await Promise.all([
    numbersOf(by, job),
    picture(by, job),
    picture(original, job),
  ]);
  if (gl === undefined) gl = surface(byId("relief-canvas"));
  shown = { panel: by, skins: { photo, panel: drawn, plain: plain() }, ...heights(found) };
  view = { ...START };
  byId("relief-title").textContent = t("relief.of", { panel: calledNow(by) });
  byId("relief-hint").textContent = t(gl ? "relief.hint" : "relief.flat");
  byId("relief-cloud").href = api.cloudUrl(job, by.name);
  byId("relief-dialog").showModal();
  shape();
}

const plain = () => {
  const canvas = h("canvas", { width: 1, height: 1 });
  const context = canvas.getContext("2d");
  context.fillStyle = "#c8c8c8";
  context.fillRect(0, 0, 1, 1);
  return canvas;
};

/** Every so many-th value, from 0 for the least to 1 for the greatest; −1 where there is none. */
function heights({ width, height, values }) {
  const step = Math.max(1, Math.ceil(Math.max(width, height) / MOST));
  const [across, down] = [Math.ceil(width / step), Math.ceil(height / step)];
  const out = new Float32Array(across * down);
  for (let y = 0; y < down; y++)
    for (let x = 0; x < across; x++) out[y * across + x] = values[y * step * width + x * step];
  let [low, high] = [Infinity, -Infinity];
  for (const value of out) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const span = high > low ? high - low : 1;
  return { width: across, height: down, heights: out.map((value) => (value - value === 0 ? (value - low) / span : -1)) };
}

/** Heights as the choices say. */
function shape() {
  const over = byId("relief-over").checked;
  const { width, height } = shown;
  const up = over ? shown.heights.map((value) => (value < 0 ? value : 1 - value)) : shown.heights;
  if (gl) {
    gl.shape(width, height, up);
    gl.skin(shown.skins[byId("relief-skin").value]);
    draw();
  } else shade(up);
}

const rise = () => byId("relief-rise").valueAsNumber / 50;
const degrees = (angle) => Math.round((angle * 180) / Math.PI);

function draw() {
  const canvas = byId("relief-canvas");
  const words = { panel: calledNow(shown.panel), turn: degrees(view.yaw), tilt: degrees(view.pitch) };
  canvas.setAttribute("aria-label", t("relief.label", words));
  if (gl) gl.draw({ ...view, rise: rise() });
}

/** The map lit from the upper left. */
function shade(up) {
  const { width, height } = shown;
  const canvas = byId("relief-canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(shown.skins[byId("relief-skin").value], 0, 0, width, height);
  const { image } = pixelsOf(canvas);
  const slope = (rise() * Math.max(width, height)) / 4;
  const at = (x, y) => Math.max(0, up[Math.min(height - 1, y) * width + Math.min(width - 1, x)]);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [dx, dy] = [(at(x + 1, y) - at(x, y)) * slope, (at(x, y + 1) - at(x, y)) * slope];
      const light = 0.4 + 0.6 * Math.max(0, (0.4 * dx + 0.5 * dy + 0.8) / Math.hypot(dx, dy, 1) / 1.02);
      for (let c = 0; c < 3; c++) image.data[4 * (y * width + x) + c] *= light;
      if (up[y * width + x] < 0) image.data[4 * (y * width + x) + 3] = 0;
    }
  context.putImageData(image, 0, 0);
  draw();
}

function turned({ yaw = 0, pitch = 0, zoom = 1 }) {
  view = {
    yaw: view.yaw + yaw,
    pitch: Math.max(-Math.PI / 2, Math.min(Math.PI / 2, view.pitch + pitch)),
    zoom: Math.max(0.5, Math.min(8, view.zoom * zoom)),
  };
  draw();
}

function drag(event) {
  if (event.buttons) turned({ yaw: event.movementX / 150, pitch: event.movementY / 150 });
}

function wheel(event) {
  event.preventDefault();
  turned({ zoom: Math.exp(-event.deltaY / 600) });
}

function key(event) {
  const turn = {
    ArrowLeft: { yaw: -TURN }, ArrowRight: { yaw: TURN }, ArrowUp: { pitch: -TURN }, ArrowDown: { pitch: TURN },
    "+": { zoom: 1.2 }, "=": { zoom: 1.2 }, "-": { zoom: 1 / 1.2 },
  }[event.key]; // prettier-ignore
  if (!turn) return;
  event.preventDefault();
  turned(turn);
}
