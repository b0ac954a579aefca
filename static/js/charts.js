// The charts of a run: the loss (live while it runs), PSNR of each method, the four histograms.

import { byId, h, put } from "./dom.js";
import { empty, fitted, bars, histogram, lines } from "./chart.js";
import { number } from "./format.js";
import { list, t } from "./i18n.js";
import { compared, methodClass, methodIn, methodNow } from "./methods.js";
import { FITS } from "./compare.js";
import { drawProfile } from "./profile.js";
import { mainFigure } from "./report.js";
import { drawRuns } from "./runs.js";
import { said } from "./said.js";
import { on, state } from "./state.js";
import { drawTabs, tabKeys } from "./tabs.js";

const TABS = { loss: "chart.loss", psnr: "chart.psnr", histograms: "chart.histograms", profile: "chart.profile", runs: "chart.runs" };
const PARAMETERS = {
  sigma_x: "chart.sigma_x",
  sigma_y: "chart.sigma_y",
  theta: "chart.theta",
  sigma_r: "chart.sigma_r",
};

const EVERY = 150; // ms between drawings of a curve that grows

let shown = "loss";
let drawn = 0; // when the growing curve was last drawn

export function start() {
  on(["result", "run", "runs", "line", "profile"], () => {
    if (state.run.phase === "running") grow();
    else plot();
  });
  on("language", draw);
  fitted(byId("chart"), plot);
  byId("chart-tabs").addEventListener("keydown", tabKeys);
  draw();
}

/** Show the loss so far, not oftener than is seen: the run needs the processor more. */
function grow() {
  if (state.run.progress === null) drawn = performance.now();
  if (state.run.losses?.length === 1) return; // a further fit begins: its curve needs two points
  if (shown !== "loss" || performance.now() - drawn < EVERY) return;
  drawn = performance.now();
  loss();
}

/** Bring a chart to the front. */
function show(name) {
  shown = name;
  draw();
}

/** Bring a chart to the front and into sight, where the report scrolls by itself and no picture goes out of it. */
export function reveal(name) {
  show(name);
  const report = byId("report");
  const seen = byId("out").getBoundingClientRect().top; // which is pinned to the report's end
  report.scrollTop += byId("chart").getBoundingClientRect().bottom - seen;
}

function draw() {
  const entries = Object.entries(TABS).map(([name, words]) => [name, t(words)]);
  drawTabs(byId("chart-tabs"), byId("chart"), "chart", entries, shown, (name) => {
    reveal(name);
    byId(`chart-${name}`).focus();
  });
  plot();
}

/** Draw what the chosen tab shows: of the run under way, or else of the last result. */
function plot() {
  const holder = byId("chart");
  holder.className = `chart-holder ${shown}`;
  const running = state.run.phase === "running";
  byId("chart-of").hidden = !state.result || running || !["loss", "histograms"].includes(shown);
  if (state.result) byId("chart-of").textContent = t(FITS[state.result.fitted_to]);
  if (!state.result && !running) empty(holder, t("chart.none"));
  else ({ loss, psnr, histograms, profile: () => drawProfile(holder), runs: () => drawRuns(holder) })[shown]();
}

/** What the loss of a run with `settings` is; one of a later stage may be of any method that is compared. */
function lossWords({ objective, methods }, stage = "fit") {
  if (stage !== "fit" && methods === "all") return t("chart.lossOther");
  const ofImage = objective === "rgb" || (objective === "suited" && stage === "fit");
  return t(ofImage ? "chart.lossRgb" : "chart.lossSignal");
}

/** The losses of a finished run as one list of points [step, loss] for each fit. */
function ofResult({ losses = [], fits }) {
  const points = losses.map((value, i) => [i + 1, value]);
  const sizes = (fits ?? []).filter((count) => count > 0);
  if (sizes.reduce((sum, count) => sum + count, 0) !== points.length) return [points];
  return sizes.map((count) => points.splice(0, count));
}

function loss() {
  const holder = byId("chart");
  const { run, result } = state;
  const live = run.phase === "running" && (run.losses?.length ?? 0) > 1;
  const curves = live ? [run.losses.map((one) => [one.step, one.loss])] : ofResult(result ?? {});
  const points = curves.flat();
  if (points.length < 2) {
    empty(holder, t(points.length ? "chart.oneStep" : "chart.noSteps"));
    return;
  }
  const last = points.at(-1)[0];
  const what = live ? lossWords(run.settings, run.losses[0].stage) : lossWords(result.settings);
  const ends = (curve) => ({ first: number(curve[0][1]), last: number(curve.at(-1)[1]) });
  const fits = curves.map((curve, n) => t("chart.lossFit", { fit: n + 1, ...ends(curve) }));
  lines(holder, {
    curves,
    from: live ? [1, Math.max(run.progress?.steps ?? 1, last)] : null,
    colour: "m-gsjbu",
    xLabel: t("chart.step"),
    yLabel: t("chart.lossAxis", { what }),
    label:
      curves.length > 1
        ? t("chart.lossFits", { what, fits: list(fits), steps: last })
        : t("chart.lossLabel", { what, ...ends(points), steps: last }),
    say: (x, y, n) =>
      t(curves.length > 1 ? "chart.lossAtFit" : "chart.lossAt", { fit: n + 1, step: x, loss: number(y, 4) }),
  });
}

/** Each method's main figure: of the group on show, or else of RGB. */
function psnr() {
  const holder = byId("chart");
  const group = state.result.metrics[state.view.group] ? state.view.group : "rgb";
  const metrics = state.result.metrics[group] ?? {};
  const figure = mainFigure(metrics);
  const rows = compared(state.result, group, metrics)
    .filter((method) => figure && typeof metrics[method][figure.name] === "number")
    .map((method) => ({
      name: methodIn(state.result, group, method),
      value: metrics[method][figure.name],
      class: methodClass(methodNow(state.result, group, method)),
    }));
  if (!rows.length) {
    empty(holder, t("chart.noPsnr"));
    return;
  }
  const { words, unit, better, text } = figure;
  const what = { metric: words, unit, direction: t(better > 0 ? "metric.up" : "metric.down") };
  const axis = unit ? t("chart.figureAxisUnit", what) : t("chart.figureAxis", what);
  bars(holder, { rows, text, axis, label: t("list.of", { what: axis, all: list(rows.map((r) => `${r.name} ${text(r.value)}`)) }) });
}

function histograms() {
  const holder = byId("chart");
  const all = state.result.histograms ?? {};
  const boxes = Object.keys(PARAMETERS)
    .filter((name) => all[name])
    .map((name) => [name, h("div", { class: "small" })]);
  put(
    holder,
    boxes.map(([, box]) => box),
  );
  for (const [name, box] of boxes) {
    const { edges, counts, unit } = all[name];
    const title = t(PARAMETERS[name]);
    const words = said(unit ?? "");
    const total = counts.reduce((a, b) => a + b, 0);
    const peak = counts.indexOf(Math.max(...counts));
    histogram(box, {
      edges,
      counts,
      title,
      unit: words,
      label: t("chart.histogramLabel", {
        name: title,
        low: number(edges[peak]),
        high: number(edges[peak + 1]),
        unit: words,
        total,
      }),
      say: (low, high, count) => t("chart.histogramAt", { low: number(low), high: number(high), unit: words, count }),
    });
  }
}
