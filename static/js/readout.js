// The values under the pointer: at once from the pictures, exactly from the server once the pointer rests.

import * as api from "./api.js";
import { REST, byId, debounce, h, put } from "./dom.js";
import { number, spanOf, together } from "./format.js";
import { t } from "./i18n.js";
import { bytesAt, cells, classWords } from "./panels.js";
import { said } from "./said.js";
import { on, state } from "./state.js";

let at = null; // {x, y} of what is shown
let known = null; // {job, x, y, values}
let asking = ""; // the job and the pixel whose values are on their way

export function start() {
  const viewer = byId("viewer");
  viewer.addEventListener("gs-hover", (event) => {
    const hover = event.detail.x === undefined ? null : event.detail;
    if (hover && at && hover.x === at.x && hover.y === at.y) return;
    at = hover ?? state.point;
    draw();
    if (at) ask();
  });
  on("point", () => {
    at = state.point;
    draw();
    if (at) ask();
  });
  on(["view", "result", "language"], () => {
    draw();
    if (at && !exact()) ask();
  });
}

const exact = () => known && at && known.job === state.result?.job && known.x === at.x && known.y === at.y;

const ask = debounce(async () => {
  const { result } = state;
  if (!at || !result || exact()) return;
  const { x, y } = at;
  if (x >= result.image.width || y >= result.image.height) return;
  const mine = [result.job, x, y].join();
  if (mine === asking) return;
  asking = mine;
  try {
    const { values } = await api.pixel(result.job, x, y);
    known = { job: result.job, x, y, values };
    draw();
  } catch (error) {
    // a read-out that cannot be had leaves the local values standing; runs and clicks report the trouble
    if (!(error instanceof api.Problem) && !(error instanceof api.Unreachable)) throw error;
  } finally {
    if (mine === asking) asking = "";
  }
}, REST);

function draw() {
  const box = byId("readout");
  const { panes } = byId("viewer");
  if (!at || !panes || !state.result) {
    delete box.dataset.exact;
    put(box, h("span", { class: "quiet" }, t("readout.empty")));
    return;
  }
  const sides = ["left", "right"].map((side) => reading(panes[side]));
  box.dataset.exact = String(Boolean(exact()));
  box.dataset.x = at.x;
  box.dataset.y = at.y;
  put(
    box,
    h("span", { class: "at" }, `x ${at.x}  y ${at.y}`),
    sides.map((one, i) =>
      h(
        "span",
        { class: "value", data: { side: ["left", "right"][i] } },
        h("span", { class: `dot ${one.pane.colour}` }),
        h("span", { class: "swatch", style: { backgroundColor: `rgb(${one.bytes.join(" ")})` } }),
        h("span", { class: "numbers", data: { values: one.values ? JSON.stringify(one.values) : "" } }, words(one)),
      ),
    ),
    h("span", { class: "difference" }, difference(...sides)),
  );
}

/** What one pane has at the point: bytes of its picture, exact values where known. */
function reading(pane) {
  const { panel } = pane;
  const [columns, rows] = cells(panel, state.result.image, state.result.settings);
  const [px, py] = [columns[at.x] ?? panel.width - 1, rows[at.y] ?? panel.height - 1];
  const bytes = bytesAt(pane.picture, px, py);
  let values = panel.read ? panel.read(px, py) : exact() ? known.values[panel.name] : null;
  const colours = panel.group === "rgb" && !panel.bar;
  if (!values && colours) values = bytes.map((b) => b / 255);
  return { pane, bytes, values };
}

function words({ pane: { panel }, values }) {
  if (!values) return "…";
  if (panel.legend && values.length === 1) {
    const entry = panel.legend.find((one) => one.index === values[0]);
    if (entry) return classWords(entry);
  }
  const unit = panel.unit && panel.group !== "rgb" && !values.includes(null) ? ` ${said(panel.unit)}` : "";
  const shown = values.length === 1 ? [number(values[0], 4, spanOf(panel.bar))] : together(values.slice(0, 4));
  return `${shown.join(" ")}${values.length > 4 ? ` … (${values.length})` : ""}${unit}`;
}

function difference(left, right) {
  const [a, b] = [left.values, right.values];
  if (!a || !b || a.length !== b.length || [...a, ...b].includes(null)) return ""; // null: there is no value
  const panels = [left.pane.panel, right.pane.panel];
  if (panels.every((p) => p.legend)) return t(a.every((v, i) => v === b[i]) ? "readout.same" : "readout.other");
  if (panels[0].unit !== panels[1].unit) return "";
  const mean = a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length;
  return t("readout.difference", { value: number(mean) });
}
