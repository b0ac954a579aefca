// Cosine similarity of the upsampled features to those at the chosen pixel, bilinear and GS-JBU; of several pixels
// that are kept, to the likest.

import * as api from "./api.js";
import { lookup } from "./bar.js";
import { byId, h, latest, put } from "./dom.js";
import { fixed } from "./format.js";
import { t } from "./i18n.js";
import { addGroup, showPair } from "./compare.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

const METHODS = ["bilinear", "gsjbu"];
const MAP = "viridis";
const MOST = 16; // points; the server takes no more

const canvases = Object.fromEntries(METHODS.map((m) => [m, h("canvas", { role: "img" })]));
let shown = null; // {job, x, y, maps}

export function start() {
  const ask = latest(fetchMaps);
  on("point", () => (state.point ? ask() : clear()));
  on("result", () => (state.point ? ask() : clear()));
  put(
    byId("similarity-maps"),
    METHODS.map((m) =>
      h(
        "figure",
        { data: { method: m } },
        h("div", { class: "map" }, canvases[m], h("span", { class: "pins", "aria-hidden": "true" })),
        h("figcaption"),
      ),
    ),
  );
  byId("similarity-keep").addEventListener("click", keep);
  on("kept", () => {
    if (!shown) return;
    drawKept();
    ask();
  });
  on("image", () => set({ kept: [] })); // they are places of another picture
  on("language", draw);
  clear();
}

const same = (one) => (other) => one.x === other.x && one.y === other.y;

/** The kept pixels besides the chosen one, which lie in the picture. */
function others() {
  const { width, height } = state.result.image;
  return state.kept.filter((p) => p.x < width && p.y < height && !same(p)(state.point));
}

/** The next click adds another. */
function keep() {
  if (!state.kept.some(same(state.point))) set({ kept: [...state.kept, state.point].slice(1 - MOST) });
}

const possible = (result) => Boolean(result?.panels.some((p) => p.group === "features"));

function clear() {
  shown = null;
  draw();
  addGroup("similarity", null);
  if (state.view.group === "similarity") showPair();
}

async function fetchMaps() {
  const { result, point } = state;
  if (!result || !point) return;
  const { width, height } = result.image;
  if (!possible(result) || point.x >= width || point.y >= height) return clear();
  try {
    const also = others();
    const answer = await api.similarity(result.job, point, also);
    if (state.result !== result || !state.point) return;
    const maps = { ...answer, range: span(answer) };
    const first = shown === null;
    shown = { job: result.job, ...point, points: [...also, point], maps };
    for (const method of METHODS) paint(method, maps);
    addGroup(
      "similarity",
      METHODS.map((m) => panel(m, maps)),
    );
    draw();
    if (first || state.view.group === "similarity") await showPair();
  } catch (error) {
    await trouble(error);
  }
}

/** The colours of the map as 32-bit pixels. */
function colours() {
  const table = lookup(MAP);
  const out = new Uint32Array(256);
  for (let i = 0; i < 256; i++)
    out[i] = (255 << 24) | (table[3 * i + 2] << 16) | (table[3 * i + 1] << 8) | table[3 * i];
  return out;
}

/** Colour one map over viridis; both maps have one scale, so that they can be compared. */
function paint(method, maps) {
  const { width, height, low, high, range } = maps;
  const raw = maps[method];
  const canvas = canvases[method];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const [from, to] = range;
  const scale = ((high - low) / 65535 / (to - from)) * 255;
  const offset = ((low - from) / (to - from)) * 255 + 0.5;
  const of = colours();
  for (let i = 0; i < pixels.length; i++) pixels[i] = of[(raw[i] * scale + offset) | 0];
  context.putImageData(image, 0, 0);
}

/** The scale of the colours: from the least similarity in either map to 1. */
function span({ low, high, bilinear, gsjbu }) {
  let least = 65535;
  for (const raw of [bilinear, gsjbu]) for (let i = 0; i < raw.length; i++) if (raw[i] < least) least = raw[i];
  return [Math.min(0.99, low + ((high - low) * least) / 65535), 1];
}

const valueAt = ({ width, low, high }, raw, x, y) => low + ((high - low) * raw[y * width + x]) / 65535;

function panel(method, maps) {
  const [low, high] = maps.range;
  return {
    name: `similarity_${method}`,
    group: "similarity",
    get title() {
      return t(method === "bilinear" ? "method.bilinear" : "method.gsjbu");
    },
    get sentence() {
      return t("similarity.sentence");
    },
    width: maps.width,
    height: maps.height,
    unit: "",
    bar: { low, high, unit: "", map: MAP },
    legend: null,
    canvas: canvases[method],
    read: (x, y) => [valueAt(maps, maps[method], x, y)],
  };
}

/** The maps as numbers, for whoever wants to check them: {bilinear, gsjbu} of Float32Array. */
export function values() {
  if (!shown) return null;
  const { maps } = shown;
  const all = (raw) => Float32Array.from(raw, (v) => maps.low + ((maps.high - maps.low) * v) / 65535);
  return {
    x: shown.x,
    y: shown.y,
    width: maps.width,
    height: maps.height,
    bilinear: all(maps.bilinear),
    gsjbu: all(maps.gsjbu),
  };
}

/** The kept points, each with a button that lets it go. */
function drawKept() {
  byId("similarity-keep").disabled = state.kept.some(same(state.point ?? shown));
  put(
    byId("similarity-kept"),
    state.kept.map((one) =>
      h(
        "li",
        {},
        `${one.x}, ${one.y}`,
        h(
          "button",
          {
            type: "button",
            class: "icon",
            "aria-label": t("similarity.drop", one),
            on: { click: () => set({ kept: state.kept.filter((other) => !same(one)(other)) }) },
          },
          "×",
        ),
      ),
    ),
  );
}

function draw() {
  byId("similarity").hidden = !shown;
  const none = state.point && state.result && !possible(state.result);
  byId("similarity-none").hidden = !none;
  if (!shown) return;
  const { x, y, maps } = shown;
  drawKept();
  byId("similarity").dataset.points = String(shown.points.length);
  byId("similarity").dataset.x = x;
  byId("similarity").dataset.y = y;
  for (const figure of byId("similarity-maps").children) {
    const { method } = figure.dataset;
    const raw = maps[method];
    let alike = 0;
    const limit = ((0.8 - maps.low) / (maps.high - maps.low)) * 65535;
    for (let i = 0; i < raw.length; i++) if (raw[i] >= limit) alike++;
    const words = t(method === "bilinear" ? "method.bilinear" : "method.gsjbu");
    const share = fixed((100 * alike) / raw.length, 1);
    canvases[method].setAttribute("aria-label", t("similarity.label", { method: words, x, y, share }));
    put(
      figure.querySelector(".pins"),
      shown.points.map((p) =>
        h("span", {
          class: "pin",
          style: { left: `${((p.x + 0.5) / maps.width) * 100}%`, top: `${((p.y + 0.5) / maps.height) * 100}%` },
        }),
      ),
    );
    put(figure.querySelector("figcaption"), h("span", { class: `dot m-${method}` }), words);
  }
}
