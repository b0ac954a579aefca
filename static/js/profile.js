// The values of every method along a line across the picture, as a chart.

import * as api from "./api.js";
import { empty, lines } from "./chart.js";
import { pixelsOf } from "./classes.js";
import { byId, h, latest, put } from "./dom.js";
import { fixed, number, spanOf } from "./format.js";
import { list, t } from "./i18n.js";
import { colourOf } from "./methods.js";
import { allGroups, calledNow, rightPanel } from "./compare.js";
import { told } from "./notice.js";
import { cells, isError, picture } from "./panels.js";
import { said } from "./said.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";
import { valuesOver } from "./values.js";

const MOST = 512; // places along the line: a chart shows no more
const pixels = new WeakMap(); // picture -> ImageData

let shown = null; // {curves, line}, of what is on show, or {problem}: why there is nothing
let bring = null; // the chart into sight, once more when it has its curves and their names

/** `reveal()` brings the chart to the front and into sight when a line is asked for or drawn. */
export function start(reveal) {
  const viewer = byId("viewer");
  byId("line").addEventListener("click", () => {
    if (!state.result) return;
    const drawing = viewer.tool !== "line";
    viewer.set({ tool: drawing ? "line" : "probe" });
    set({ line: drawing ? row() : null });
    if (drawing) (bring = reveal)();
  });
  viewer.addEventListener("gs-line", (event) => {
    set({ line: event.detail });
    (bring = reveal)();
  });
  on("point", () => {
    if (viewer.tool === "line" && state.point) set({ line: row() }); // arrow keys carry the line along
  });
  on("line", () => viewer.mark({ line: state.line }));
  byId("tool").addEventListener("click", () => state.line && set({ line: null }));
  const ask = latest(collect);
  on(["line", "view", "result"], () => state.line && ask());
}

/** The whole row of the chosen pixel, or of the middle. */
function row() {
  const { width, height } = state.result.image;
  const y = state.point?.y ?? Math.floor(height / 2);
  return { x0: 0, y0: y, x1: width - 1, y1: y };
}

const scale = ({ bar, unit }) => JSON.stringify(bar ?? unit);

/** The panels of the group on show that have one scale with the right one, errors left out. */
function comparable() {
  const right = rightPanel();
  if (!right || right.legend) return [];
  return allGroups()
    .get(state.view.group)
    .filter((p) => !p.legend && scale(p) === scale(right) && isError(p) === isError(right));
}

async function collect() {
  const { result, line } = state;
  if (!result) return;
  const panels = comparable();
  const read = await Promise.all(panels.map((panel) => (panel.bar ? valuesOver : brightness)(panel, result))).catch(refused);
  if (!read || state.result !== result || !state.line) return;
  shown = { line, curves: panels.map((panel, i) => ({ panel, points: along(read[i], line, result.image) })) };
  set({ profile: shown });
  bring?.();
  bring = null;
}

/** What the server says where the values cannot be had stands in their place. */
async function refused(problem) {
  if (!(problem instanceof api.Problem)) return trouble(problem);
  shown = { problem };
  set({ profile: shown });
}

/** The points of a curve, [pixels along the line, value]; NaN where there is no value. */
function along(value, { x0, y0, x1, y1 }, image) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const count = Math.max(2, Math.min(MOST, Math.round(length) + 1));
  return Array.from({ length: count }, (_, i) => {
    const share = i / (count - 1);
    const x = Math.min(image.width - 1, Math.floor(x0 + (x1 - x0) * share + 0.5));
    const y = Math.min(image.height - 1, Math.floor(y0 + (y1 - y0) * share + 0.5));
    return [length * share, value(x, y)];
  });
}

/** A function that gives how bright a panel of colours is at the image's pixel (x, y). */
async function brightness(panel, { job, image, settings }) {
  const drawn = await picture(panel, job);
  if (!pixels.has(drawn)) pixels.set(drawn, pixelsOf(drawn).image);
  const { data, width } = pixels.get(drawn);
  const [columns, rows] = cells(panel, image, settings);
  return (x, y) => {
    const at = 4 * (rows[y] * width + columns[x]);
    return (data[at] + data[at + 1] + data[at + 2]) / 765;
  };
}

/** The chart, into the holder of the charts. */
export function drawProfile(holder) {
  if (!state.line) return empty(holder, t("profile.none"));
  if (shown?.problem) return empty(holder, told(shown.problem));
  if (!shown?.curves.length) return empty(holder, t("profile.classes"));
  if (!shown.curves.some(({ points }) => points.some(([, y]) => Number.isFinite(y)))) return empty(holder, t("profile.gaps"));
  const { curves, line } = shown;
  const { bar } = curves[0].panel;
  const unit = said(bar?.unit ?? "");
  const names = curves.map(({ panel }) => calledNow(panel));
  const box = h("div", { class: "plot" });
  put(
    holder,
    h(
      "ul",
      { class: "key" },
      curves.map(({ panel }, n) => h("li", {}, h("span", { class: `dot ${colourOf(state.result, panel)}` }), names[n])),
    ),
    box,
  );
  lines(box, {
    curves: curves.map((one) => one.points),
    colours: curves.map(({ panel }) => colourOf(state.result, panel)),
    xLabel: t("profile.along"),
    yLabel: bar ? unit : t("profile.brightness"),
    label: t("profile.label", { ...line, methods: list(names) }),
    say: (x, y, n) => t("profile.at", { method: names[n], x: fixed(x, 0), value: number(y, 3, spanOf(bar)) }),
  });
}
