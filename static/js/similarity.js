// Cosine similarity of the upsampled features to those at the chosen pixel, bilinear and GS-JBU; of several pixels
// that are kept, also of another picture, to the likest.

import * as api from "./api.js";
import { lookup } from "./bar.js";
import { button, byId, h, latest, put } from "./dom.js";
import { fixed } from "./format.js";
import { sentences, t } from "./i18n.js";
import { addGroup, showPair } from "./compare.js";
import { methodIn, mixedGroup } from "./methods.js";
import { inWords } from "./said.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

const METHODS = ["bilinear", "gsjbu"];
const MAP = "viridis";
const MOST = 16; // points; the server takes no more
const ALIKE = 0.8; // from here on a pixel is counted as alike

const named = (method) => methodIn(state.result, "features", method);

const canvases = Object.fromEntries(METHODS.map((m) => [m, h("canvas", { role: "img" })]));
let shown = null; // {job, points, others, maps}: pixels of this picture, the chosen one last, and of others

export function start() {
  const ask = latest(fetchMaps);
  on(["point", "result"], () => (pixels().length ? ask() : clear()));
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
  on("image", () => state.kept.length && set({ point: null })); // what is kept is looked for in the next picture
  on(["language", "view"], draw);
  clear();
}

const same = (one) => (other) => one.x === other.x && one.y === other.y && one.image === other.image;
const pictureOf = ({ sample, id }) => sample ?? id; // a scene that is chosen again is the same picture
const isHere = (one) => Boolean(state.result) && one.image === pictureOf(state.result.from);
const inside = ({ x, y }) => x < state.result.image.width && y < state.result.image.height;
const chosen = () => (state.point && inside(state.point) ? { ...state.point, image: pictureOf(state.result.from) } : null);

/** All pixels that are asked for, the chosen one last: kept ones of this picture, and of others with their job. */
function pixels() {
  if (!state.result) return [];
  const now = chosen();
  const here = state.kept.filter((p) => isHere(p) && inside(p) && !(now && same(now)(p)));
  const others = state.kept.filter((p) => !isHere(p));
  return [...others, ...here.map(({ x, y }) => ({ x, y })), ...(now ? [{ x: now.x, y: now.y }] : [])];
}

/** The next click, in this picture or another, adds another. */
function keep() {
  const now = chosen();
  if (!now || state.kept.some(same(now))) return;
  const { job, from } = state.result;
  const byKey = byId("similarity-keep").matches(":focus-visible");
  set({ kept: [...state.kept, { ...now, job, name: from.name }].slice(1 - MOST) });
  if (byKey) byId("viewer").stage.focus(); // the button has nothing to do now, and the next pixel is chosen there
}

/** Let a kept pixel go; the focus goes to what has its place, or else to what can be pressed next. */
function letGo(one) {
  set({ kept: state.kept.filter((other) => !same(one)(other)) });
  if (document.activeElement !== document.body) return;
  const again = byId("similarity-keep");
  (again.disabled || !again.offsetParent ? byId("viewer").stage : again).focus();
}

const possible = (result) => Boolean(result?.panels.some((p) => p.group === "features"));

function clear() {
  shown = null;
  draw();
  addGroup("similarity", null);
  if (state.view.group === "similarity") showPair();
}

async function fetchMaps() {
  const { result } = state;
  const asked = pixels();
  if (!result || !possible(result) || !asked.length) return clear();
  try {
    const answer = await api.similarity(result.job, asked);
    if (state.result !== result || !pixels().length) return;
    const maps = { ...answer, range: span(answer) };
    const first = shown === null;
    shown = { job: result.job, points: asked.filter((one) => !one.job), others: asked.filter((one) => one.job), maps };
    for (const method of METHODS) paint(method, maps);
    addGroup(
      "similarity",
      METHODS.map((m) => panel(m, maps)),
    );
    draw();
    if (first || state.view.group === "similarity") await showPair();
  } catch (error) {
    if (asked.some((one) => one.job)) set({ kept: state.kept.filter(isHere) }); // their results may have gone
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

/** Where a map is greatest. */
function best(raw, width) {
  let at = 0;
  for (let i = 1; i < raw.length; i++) if (raw[i] > raw[at]) at = i;
  return { x: at % width, y: Math.floor(at / width) };
}

const valueAt = ({ width, low, high }, raw, x, y) => low + ((high - low) * raw[y * width + x]) / 65535;

function panel(method, maps) {
  const [low, high] = maps.range;
  return {
    name: `similarity_${method}`,
    group: "similarity",
    get title() {
      return named(method);
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
  return { width: maps.width, height: maps.height, bilinear: all(maps.bilinear), gsjbu: all(maps.gsjbu) };
}

/** The kept points, each with a button that lets it go. */
function drawKept() {
  const now = chosen();
  byId("similarity-keep").disabled = !now || state.kept.some(same(now));
  put(
    byId("similarity-kept"),
    state.kept.map((one, place) =>
      h(
        "li",
        {},
        isHere(one) ? `${one.x}, ${one.y}` : t("similarity.of", one),
        button(
          { class: "icon", "aria-label": t("similarity.drop", one), data: { place } },
          () => letGo(one),
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
  const { maps, points, others } = shown;
  const { x, y } = points.at(-1) ?? others.at(-1);
  drawKept();
  const box = byId("similarity").dataset;
  Object.assign(box, { points: points.length + others.length, others: others.length, job: shown.job, x, y });
  const shares = Object.fromEntries(METHODS.map((m) => [m, percent(alike(maps, m))]));
  for (const figure of byId("similarity-maps").children) {
    const { method } = figure.dataset;
    const raw = maps[method];
    const words = named(method);
    const said = { method: words, x, y, share: shares[method], alike: ALIKE };
    canvases[method].setAttribute("aria-label", t("similarity.label", said));
    put(
      figure.querySelector(".pins"),
      [...points, ...(others.length ? [best(raw, maps.width)] : [])].map((p) =>
        h("span", {
          class: "pin",
          style: { left: `${((p.x + 0.5) / maps.width) * 100}%`, top: `${((p.y + 0.5) / maps.height) * 100}%` },
        }),
      ),
    );
    const found = others.length ? h("span", { class: "best" }, t("similarity.best", best(raw, maps.width))) : null;
    put(figure.querySelector("figcaption"), h("span", { class: `dot m-${method}` }), words, found);
  }
  // which is told above where the panels on show are of features
  byId("similarity-untrained").hidden = state.result.pretrained !== false || mixedGroup(state.view.group) === "features";
  put(byId("similarity-untrained"), inWords(state.result.status.features ?? ""));
  byId("similarity-words").textContent = sentences(explained(shares));
}

/** What the two maps show, in sentences. */
function explained(shares) {
  const { maps, points, others } = shown;
  const { at, by } = disagreement(maps);
  const count = points.length + others.length;
  const place = points.length ? `${points[0].x}, ${points[0].y}` : t("similarity.of", others[0]);
  const greater = by > 0 ? "gsjbu" : "bilinear";
  return [
    count > 1 ? t("similarity.saysMany", { count }) : t("similarity.saysOne", { place }),
    t("similarity.saysShare", { ...shares, alike: ALIKE, ours: named("gsjbu"), theirs: named("bilinear") }),
    Math.abs(by) < 0.005
      ? t("similarity.saysSame")
      : t("similarity.saysApart", { ...at, method: named(greater), by: fixed(Math.abs(by), 2) }),
  ];
}

const percent = (share) => fixed(100 * share, 1);

/** The share of pixels that are alike. */
function alike(maps, method) {
  const limit = ((ALIKE - maps.low) / (maps.high - maps.low)) * 65535;
  const raw = maps[method];
  let count = 0;
  for (let i = 0; i < raw.length; i++) if (raw[i] >= limit) count++;
  return count / raw.length;
}

/** Where the two maps differ most, and by how much GS-JBU's is the greater one there. */
function disagreement({ bilinear, gsjbu, width, low, high }) {
  let most = 0;
  let apart = 0;
  for (let i = 0; i < gsjbu.length; i++) {
    const here = Math.abs(gsjbu[i] - bilinear[i]);
    if (here > apart) [most, apart] = [i, here];
  }
  const at = { x: most % width, y: Math.floor(most / width) };
  return { at, by: ((gsjbu[most] - bilinear[most]) / 65535) * (high - low) };
}
