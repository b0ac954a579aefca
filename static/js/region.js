// Mean and spread of every panel of the group on show, in a rectangle that is drawn on the picture.

import * as api from "./api.js";
import { allGroups } from "./compare.js";
import { REST, byId, debounce, h, latest, put } from "./dom.js";
import { fixed, number, spanOf } from "./format.js";
import { list, t } from "./i18n.js";
import { colourOf } from "./methods.js";
import { classWords, nameIn } from "./panels.js";
import { said } from "./said.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

const SHARE = 8; // of the picture's sides: what a region has at first
const MOST = 3; // numbers, or classes, that a line has room for

let told = null; // {job, x0, y0, x1, y1, values}

export function start() {
  const viewer = byId("viewer");
  byId("region").addEventListener("click", () => {
    if (!state.result) return;
    const drawing = viewer.tool !== "region";
    viewer.set({ tool: drawing ? "region" : "probe" });
    set({ region: drawing ? around() : null, line: null });
  });
  for (const id of ["tool", "line"])
    byId(id).addEventListener("click", () => state.region && set({ region: null }));
  viewer.addEventListener("gs-region", (event) => set({ region: event.detail }));
  on("point", () => {
    if (viewer.tool === "region" && state.point) set({ region: around() }); // arrow keys carry it along
  });
  const ask = debounce(latest(collect), REST);
  on(["region", "result"], () => {
    viewer.mark({ region: state.region });
    draw();
    if (state.region) ask();
  });
  on(["view", "language"], draw);
}

/** A region about the chosen pixel, or the middle. */
function around() {
  const { width, height } = state.result.image;
  const span = (at, size) => {
    const half = Math.max(1, Math.floor(size / SHARE / 2));
    return [Math.max(0, at - half), Math.min(size - 1, at + half)];
  };
  const [x0, x1] = span(state.point?.x ?? Math.floor(width / 2), width);
  const [y0, y1] = span(state.point?.y ?? Math.floor(height / 2), height);
  return { x0, y0, x1, y1 };
}

/** The part of the region that the result has: another picture may be smaller. */
function within({ x0, y0, x1, y1 }, { width, height }) {
  if (x0 >= width || y0 >= height) return null;
  return { x0, y0, x1: Math.min(x1, width - 1), y1: Math.min(y1, height - 1) };
}

async function collect() {
  const { result, region } = state;
  const asked = result && region && within(region, result.image);
  if (!asked) return;
  try {
    const answer = await api.region(result.job, asked);
    if (state.result !== result || state.region !== region) return;
    told = { job: result.job, ...answer };
    draw();
  } catch (error) {
    await trouble(error);
  }
}

function draw() {
  const { result, region } = state;
  const there = Boolean(result && region && told && told.job === result.job);
  const box = byId("region-told");
  box.hidden = !there;
  if (!there) return;
  const { x0, y0, x1, y1, values } = told;
  box.dataset.region = [x0, y0, x1, y1].join(" ");
  byId("region-line").textContent = t("region.line", { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 });
  const panels = (allGroups().get(state.view.group) ?? []).filter((panel) => panel.name in values);
  const head = ["", "region.mean", "region.std"].map((key) =>
    h("th", { scope: "col" }, key ? t(key) : h("span", { class: "sr" }, t("region.panel"))),
  );
  put(
    byId("region-table"),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, panels.map((panel) => row(panel, nameIn(panel, panels, result), values[panel.name]))),
  );
}

function row(panel, called, found) {
  const name = h(
    "th",
    { scope: "row" },
    h("span", { class: `dot ${colourOf(state.result, panel)}` }),
    called,
  );
  const cells = found.shares ? [h("td", { colspan: "2" }, classes(panel, found.shares))] : numbers(panel, found);
  return h("tr", { data: { panel: panel.name, told: JSON.stringify(found) } }, name, cells);
}

function classes({ legend }, shares) {
  const parts = shares.slice(0, MOST).map(([index, share]) => {
    const entry = legend.find((one) => one.index === index);
    return `${entry ? classWords(entry) : index} ${fixed(share * 100, 1)} %`;
  });
  return (list(parts) || number(null)) + (shares.length > MOST ? " …" : "");
}

function numbers({ unit, group, bar }, { mean, std, low, high }) {
  const digits = mean.length === 1 ? 3 : 2; // there is room for several, or for exact ones
  const list = mean.slice(0, MOST).map((v, i) => number(v, digits, spanOf(bar) || high[i] - low[i]));
  const known = std.filter((v) => v !== null);
  const together = Math.hypot(...known) / Math.sqrt(known.length);
  const shown = unit && group !== "rgb" ? ` ${said(unit)}` : "";
  return [
    h("td", {}, list.join(" ") + (mean.length > MOST ? " …" : "") + shown),
    h("td", {}, number(together, digits)),
  ];
}
