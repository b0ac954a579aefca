// What one pixel is made of: the window's low-resolution pixels, their weights, the spatial and the range part apart.

import * as api from "./api.js";
import { lookup } from "./bar.js";
import { byId, h, latest, put } from "./dom.js";
import { fixed, weight } from "./format.js";
import { mixedNow } from "./compare.js";
import { t } from "./i18n.js";
import { methodIn } from "./methods.js";
import { inWords } from "./said.js";
import { on, state } from "./state.js";
import { trouble } from "./trouble.js";

const CELL = 16; // canvas pixels per window cell
const PARTS = {
  weight: "inspector.weight",
  spatial: "inspector.spatial",
  range: "inspector.range",
  colour: "inspector.colour",
};

let shown = null; // {of, x, y, cell, group, method, window, notes}

export function start() {
  const ask = latest(fetchWindow);
  on(["point", "result", "view"], () => {
    if (!state.point || !state.result) clear();
    else if (wanted() !== shown?.of) ask();
  });
  on("language", draw);
  clear();
}

/** The pixel and the method that are asked for. */
const wanted = () => JSON.stringify([state.result.job, state.point, mixedNow()]);

function clear() {
  if (!shown && byId("pixel").hidden) return byId("viewer").mark({ point: null });
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
    const of = wanted();
    if (of === shown?.of) return;
    const answer = await api.kernel(result.job, point.x, point.y, mixedNow());
    if (state.result !== result || !state.point) return;
    shown = { of, ...answer };
    const { window } = answer;
    viewer.mark({ windowEllipses: window.length && window[0].theta !== null ? ellipses(window) : null });
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
  const { x, y, group, method, window, notes } = shown;
  byId("pixel").dataset.x = x;
  byId("pixel").dataset.y = y;
  byId("pixel").dataset.method = `${group} ${method}`;
  byId("pixel-more").hidden = !window.length;
  const by = methodIn(state.result, group, method);
  put(
    byId("pixel-notes"),
    notes.map((note) => h("p", {}, inWords(note))),
  );
  const parts = Object.entries(PARTS).filter(([part]) => window.length && window[0][part] !== null);
  put(
    byId("parts"),
    parts.map(([part, words]) => h("figure", {}, map(part, window), h("figcaption", {}, t(words)))),
  );
  if (!window.length) {
    byId("pixel-line").textContent = t("inspector.none", { x, y, method: by });
    return;
  }
  const total = window.reduce((sum, one) => sum + one.weight, 0);
  const first = window.reduce((best, one) => (one.weight > best.weight ? one : best));
  byId("pixel-line").textContent = t("inspector.line", {
    x,
    y,
    method: by,
    count: window.length,
    share: fixed(first.weight * 100, 1),
    total: fixed(total, 3),
  });
  put(byId("weights"), table(window, parts));
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
        : [...lookup("viridis").subarray(3 * Math.max(0, Math.round((255 * one[part]) / largest))).slice(0, 3)];
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
    low: weight(Math.min(...values)),
    high: weight(Math.max(...values)),
  });
}

function table(window, parts) {
  const numbers = parts.filter(([part]) => part !== "colour");
  const head = ["inspector.cell", ...numbers.map(([, words]) => words)].map((key) => h("th", { scope: "col" }, t(key)));
  const rows = [...window]
    .sort((a, b) => b.weight - a.weight)
    .map((one) =>
      h(
        "tr",
        { data: { qx: one.qx, qy: one.qy, weight: one.weight } },
        h("th", { scope: "row" }, `${one.qx}, ${one.qy}`),
        numbers.map(([part]) => h("td", {}, weight(one[part]))),
      ),
    );
  return [h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)];
}
