// The values of every method along a line across the picture, as a chart.

import { lookup } from "./bar.js";
import { empty, lines } from "./chart.js";
import { pixelsOf } from "./classes.js";
import { byId, h, latest, put } from "./dom.js";
import { fixed, number } from "./format.js";
import { t } from "./i18n.js";
import { methodClass, methodOf } from "./methods.js";
import { allGroups, rightPanel } from "./compare.js";
import { cells, isError, picture, title } from "./panels.js";
import { said } from "./said.js";
import { on, set, state } from "./state.js";

const MOST = 512; // places along the line: a chart shows no more
const pixels = new WeakMap(); // picture -> ImageData

let shown = null; // {curves, line}, of what is on show

/** `reveal()` brings the chart to the front and into sight when a line is asked for or drawn. */
export function start(reveal) {
  const viewer = byId("viewer");
  byId("line").addEventListener("click", () => {
    if (!state.result) return;
    const drawing = viewer.tool !== "line";
    viewer.set({ tool: drawing ? "line" : "probe" });
    set({ line: drawing ? row() : null });
    if (drawing) reveal();
  });
  viewer.addEventListener("gs-line", (event) => {
    set({ line: event.detail });
    reveal();
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
  const panels = comparable();
  const pictures = await Promise.all(panels.map((p) => picture(p, result.job)));
  if (state.result !== result || !state.line) return;
  shown = { line, curves: panels.map((panel, i) => ({ panel, points: along(panel, pictures[i], line, result) })) };
  set({ profile: shown });
}

function along(panel, drawn, { x0, y0, x1, y1 }, { image, settings }) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const count = Math.max(2, Math.min(MOST, Math.round(length) + 1));
  const [columns, rows] = cells(panel, image, settings);
  const value = valuesOf(panel, drawn);
  return Array.from({ length: count }, (_, i) => {
    const share = i / (count - 1);
    const px = columns[Math.min(image.width - 1, Math.floor(x0 + (x1 - x0) * share + 0.5))];
    const py = rows[Math.min(image.height - 1, Math.floor(y0 + (y1 - y0) * share + 0.5))];
    return [length * share, value(px, py)];
  });
}

/** A function that gives a panel's value at its pixel (px, py): its own, or what the colour of `drawn` stands for. */
export function valuesOf(panel, drawn) {
  if (panel.read) return (px, py) => panel.read(px, py)[0];
  if (!pixels.has(drawn)) pixels.set(drawn, pixelsOf(drawn).image);
  const { data, width } = pixels.get(drawn);
  const value = valueOf(panel);
  return (px, py) => value(data, 4 * (py * width + px));
}

/** What a pixel's colour stands for: the place on the panel's scale (to 1/255 of it), or brightness. */
function valueOf({ bar }) {
  if (!bar) return (data, at) => (data[at] + data[at + 1] + data[at + 2]) / 765;
  const table = lookup(bar.map);
  return (data, at) => {
    let best = 0;
    let least = Infinity;
    for (let i = 0; i < 256; i++) {
      const off =
        (data[at] - table[3 * i]) ** 2 + (data[at + 1] - table[3 * i + 1]) ** 2 + (data[at + 2] - table[3 * i + 2]) ** 2;
      if (off < least) [best, least] = [i, off];
    }
    return bar.low + ((bar.high - bar.low) * best) / 255;
  };
}

/** The chart, into the holder of the charts. */
export function drawProfile(holder) {
  if (!state.line) return empty(holder, t("profile.none"));
  if (!shown?.curves.length) return empty(holder, t("profile.classes"));
  const { curves, line } = shown;
  const { bar } = curves[0].panel;
  const unit = said(bar?.unit ?? "");
  const names = curves.map(({ panel }) => title(panel));
  const box = h("div", { class: "plot" });
  put(
    holder,
    h(
      "ul",
      { class: "key" },
      curves.map(({ panel }) => h("li", {}, h("span", { class: `dot ${methodClass(methodOf(panel.name))}` }), title(panel))),
    ),
    box,
  );
  lines(box, {
    curves: curves.map((one) => one.points),
    colours: curves.map(({ panel }) => methodClass(methodOf(panel.name))),
    xLabel: t("profile.along"),
    yLabel: bar ? unit : t("profile.brightness"),
    label: t("profile.label", { ...line, methods: names.join(", ") }),
    say: (x, y, n) => t("profile.at", { method: names[n], x: fixed(x, 0), value: number(y) }),
  });
}
