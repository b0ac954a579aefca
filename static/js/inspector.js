// What one pixel is made of: the window's low-resolution pixels, their weights, the spatial and the range part apart.

import * as api from "./api.js";
import { lookup } from "./bar.js";
import { byId, h, latest, put } from "./dom.js";
import { fixed, number } from "./format.js";
import { t } from "./i18n.js";
import { on, state } from "./state.js";
import { trouble } from "./trouble.js";

const CELL = 16; // canvas pixels per window cell
const PARTS = {
  weight: "inspector.weight",
  spatial: "inspector.spatial",
  range: "inspector.range",
  colour: "inspector.colour",
};

let shown = null; // {job, x, y, cell, window}

export function start() {
  const ask = latest(fetchWindow);
  on(["point", "result"], () => (state.point ? ask() : clear()));
  on("language", draw);
  clear();
}

function clear() {
  shown = null;
  byId("viewer").mark({ point: null, windowEllipses: null });
  draw();
}

async function fetchWindow() {
  const { result, point } = state;
  if (!result || !point) return;
  const { width, height } = result.image;
  const viewer = byId("viewer");
  viewer.mark({ point });
  if (point.x >= width || point.y >= height) return clear();
  try {
    const answer = await api.kernel(result.job, point.x, point.y);
    if (state.result !== result || !state.point) return;
    shown = { job: result.job, ...answer };
    viewer.mark({ windowEllipses: ellipses(answer.window) });
    draw();
  } catch (error) {
    await trouble(error);
  }
}

const column = (window, name) => window.map((one) => one[name]);
const ellipses = (window) =>
  Object.fromEntries(["cx", "cy", "sigma_x", "sigma_y", "theta", "weight"].map((n) => [n, column(window, n)]));

function draw() {
  byId("pixel-empty").hidden = Boolean(shown);
  byId("pixel").hidden = !shown;
  if (!shown) return;
  const { x, y, window } = shown;
  byId("pixel").dataset.x = x;
  byId("pixel").dataset.y = y;
  const total = window.reduce((sum, one) => sum + one.weight, 0);
  const first = window.reduce((best, one) => (one.weight > best.weight ? one : best));
  byId("pixel-line").textContent = t("inspector.line", {
    x,
    y,
    count: window.length,
    share: fixed(first.weight * 100, 1),
    total: fixed(total, 3),
  });
  put(
    byId("parts"),
    Object.entries(PARTS).map(([part, words]) => h("figure", {}, map(part, window), h("figcaption", {}, t(words)))),
  );
  put(byId("weights"), table(window));
}

/** The window as a small picture: each cell coloured by one part, on the scale 0…largest. */
function map(part, window) {
  const qx = column(window, "qx");
  const qy = column(window, "qy");
  const [left, top] = [Math.min(...qx), Math.min(...qy)];
  const [wide, high] = [Math.max(...qx) - left + 1, Math.max(...qy) - top + 1];
  const canvas = h("canvas", {
    width: wide * CELL,
    height: high * CELL,
    role: "img",
    "aria-label": describe(part, window),
  });
  const context = canvas.getContext("2d");
  const largest = part === "colour" ? 1 : Math.max(...column(window, part), 1e-12);
  for (const one of window) {
    const colour =
      part === "colour"
        ? one.colour.slice(0, 3).map((v) => Math.round(255 * v))
        : [...lookup("viridis").subarray(3 * Math.round((255 * one[part]) / largest)).slice(0, 3)];
    context.fillStyle = `rgb(${colour.join(" ")})`;
    context.fillRect((one.qx - left) * CELL, (one.qy - top) * CELL, CELL, CELL);
  }
  return canvas;
}

function describe(part, window) {
  if (part === "colour") return t("inspector.colourLabel", { count: window.length });
  const values = column(window, part);
  return t("inspector.partLabel", {
    part: t(PARTS[part]),
    low: number(Math.min(...values)),
    high: number(Math.max(...values)),
  });
}

function table(window) {
  const head = ["inspector.cell", "inspector.weight", "inspector.spatial", "inspector.range"].map((key) =>
    h("th", { scope: "col" }, t(key)),
  );
  const rows = [...window]
    .sort((a, b) => b.weight - a.weight)
    .map((one) =>
      h(
        "tr",
        { data: { qx: one.qx, qy: one.qy, weight: one.weight } },
        h("th", { scope: "row" }, `${one.qx}, ${one.qy}`),
        h("td", {}, fixed(one.weight, 4)),
        h("td", {}, number(one.spatial)),
        h("td", {}, number(one.range)),
      ),
    );
  return [h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)];
}
