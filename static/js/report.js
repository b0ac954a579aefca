// What a run means: who is closer to the truth and by how much, every figure with its unit and direction, what ran.

import { label, shownChoice, shownSetting } from "./controls.js";
import { byId, h, put } from "./dom.js";
import { fixed, number, seconds } from "./format.js";
import { list, t } from "./i18n.js";
import { bestOf, measuredGroup, methodClass, methodIn, methodOrder } from "./methods.js";
import { groupTitle } from "./panels.js";
import { stageWords } from "./progress.js";
import { inWords, said } from "./said.js";
import { on, state } from "./state.js";

const SHARE = { unit: "%", decimals: 1, scale: 100 };
// better: 1 up, -1 down. The verdict is about the first that there is.
const METRICS = {
  cosine: { words: "metric.cosine", better: 1, decimals: 4 },
  psnr: { words: "metric.psnr", unit: "dB", better: 1, decimals: 2 },
  miou: { words: "metric.miou", better: 1, ...SHARE },
  rmse: { words: "metric.rmse", better: -1 },
  mse: { words: "metric.mse", better: -1 },
  mae: { words: "metric.mae", better: -1 },
  sad: { words: "metric.sad", better: -1 },
  edge_rmse: { words: "metric.edge_rmse", better: -1 },
  delta1: { words: "metric.delta1", better: 1, ...SHARE },
  accuracy: { words: "metric.accuracy", better: 1, ...SHARE },
  boundary_miou: { words: "metric.boundary_miou", better: 1, ...SHARE },
  boundary_f: { words: "metric.boundary_f", better: 1, ...SHARE },
  ssim: { words: "metric.ssim", better: 1, decimals: 3 },
  l1: { words: "metric.l1", better: -1, decimals: 4 },
  edge_alignment: { words: "metric.edge_alignment", unit: "×", better: 1, decimals: 1 },
  agrees: { words: "metric.agrees", better: 1, ...SHARE },
};
const NAMES = Object.keys(METRICS);
const EXACT = 100; // dB: beyond it lies the rounding of float32

export function start() {
  on(["result", "view", "language"], draw);
}

function draw() {
  const { result } = state;
  byId("result").hidden = !result;
  byId("result-empty").hidden = Boolean(result);
  if (!result) return;
  const group = result.metrics?.[state.view.group] ? state.view.group : result.metrics?.rgb ? "rgb" : null;
  const metrics = group ? result.metrics[group] : {};
  verdict(group, metrics);
  measured(result);
  table(group, metrics);
  notes(result);
  ran(result);
}

const shown = (name, value) => {
  const { decimals, scale = 1 } = METRICS[name] ?? {};
  if (typeof value !== "number") return value === null && name === "psnr" ? "∞" : "–";
  return decimals === undefined ? number(value * scale, 3) : fixed(value * scale, decimals);
};
const withUnit = (name, value) => `${shown(name, value)}${METRICS[name].unit ? ` ${METRICS[name].unit}` : ""}`;

/** The figure that the verdict and the chart are about: {name, words, text(value), better}. */
export function mainFigure(metrics) {
  const name = NAMES.find((one) => Object.values(metrics).some((m) => typeof m?.[one] === "number"));
  if (!name) return null;
  const { words, unit, better } = METRICS[name];
  return { name, better, words: t(words), unit, text: (value) => withUnit(name, value) };
}

/** A figure as it is compared: without any error, or nearly, a picture is as close as can be. */
const figureOf = (figures, name) => (name === "psnr" ? Math.min(figures.psnr ?? EXACT, EXACT) : figures[name]);
const isKnown = (figures, name) => Boolean(figures) && name in figures && typeof figureOf(figures, name) === "number";

/** A plain sentence: who wins, on which figure, by how much; losing is said as plainly as winning. */
function verdict(group, metrics) {
  const best = group ? bestOf(state.result, group) : "gsjbu";
  const ours = metrics[best];
  const theirs = metrics.bilinear;
  const name = NAMES.find((one) => isKnown(ours, one) && isKnown(theirs, one));
  const box = byId("verdict");
  box.className = "verdict";
  delete box.dataset.winner;
  put(box);
  const unmeasured = !["runs", group].includes(state.view.group) && group;
  if (unmeasured) {
    put(box, t("verdict.unmeasured", { group: groupTitle(state.view.group) }));
    return;
  }
  if (group === "signal") {
    closest(box, metrics);
    return;
  }
  if (!name) {
    put(box, t("verdict.none", { group: groupTitle(state.view.group) }));
    return;
  }
  const { better, unit, decimals, scale = 1 } = METRICS[name];
  const gain = (figureOf(ours, name) - figureOf(theirs, name)) * better * scale;
  const tie = Math.abs(gain) < 0.5 * 10 ** -decimals;
  const winner = tie ? "tie" : gain > 0 ? "win" : "loss";
  const by = Math.abs((ours[name] ?? Infinity) - (theirs[name] ?? Infinity)) * scale;
  const size = by === Infinity ? "∞" : fixed(by, decimals);
  const amount = unit === "%" ? t("verdict.points", { size }) : `${size}${unit ? ` ${unit}` : ""}`;
  const what = { metric: t(METRICS[name].words), amount, group: groupTitle(group), ours: named(group, best), theirs: named(group, "bilinear") };
  box.classList.add(winner);
  box.dataset.winner = winner;
  put(box, t({ win: "verdict.win", loss: "verdict.loss", tie: "verdict.tie" }[winner], what));
}

/** Against a truth: who is closest, and how close each other one is. */
function closest(box, metrics) {
  const figure = mainFigure(metrics);
  if (!figure) return;
  if (figure.name === "agrees") {
    const said = Object.keys(metrics).sort(methodOrder).map((m) => `${named("signal", m)} ${figure.text(metrics[m].agrees)}`);
    put(box, t("verdict.agrees", { methods: list(said) }));
    return;
  }
  const { name, better, words, text } = figure;
  const of = (m) => figureOf(metrics[m], name);
  const known = Object.keys(metrics).filter((m) => isKnown(metrics[m], name));
  known.sort((a, b) => better * Math.sign(of(b) - of(a)) || methodOrder(a, b));
  const value = text(metrics[known[0]][name]);
  const best = known.filter((m) => of(m) === of(known[0]) || text(metrics[m][name]) === value); // to the digits shown
  const others = known.slice(best.length).map((m) => t("verdict.other", { method: named("signal", m), value: text(metrics[m][name]) }));
  const winner = best.length > 1 ? "tie" : best[0];
  box.classList.add({ bilinear: "loss", tie: "tie" }[winner] ?? "win");
  box.dataset.winner = winner;
  const who = { winner: list(best.map((m) => named("signal", m))), metric: words, value };
  const how = best.length === 1 ? "verdict.closest" : others.length ? "verdict.equal" : "verdict.allEqual";
  put(box, t(how, { ...who, others: list(others) }));
}

const named = (group, method) => methodIn(state.result, group, method);

/** Which way was measured best for such a signal, and why. */
function measured({ measured: all = {} }) {
  const group = measuredGroup(state.view.group);
  const row = all[group];
  byId("measured").hidden = !row;
  if (!row) return;
  const { best, figure, row: name, bilinear, gsjbu, auto, why } = row;
  byId("measured").textContent = t("measured.line", {
    best: named(group, best),
    figure: said(figure),
    row: said(name),
    bilinear: fixed(bilinear, 1),
    gsjbu: fixed(gsjbu, 1),
    auto: fixed(auto, 1),
    why: said(why),
  });
}

function table(group, metrics) {
  const methods = Object.keys(metrics)
    .filter((m) => metrics[m] && typeof metrics[m] === "object")
    .sort(methodOrder);
  const names = NAMES.filter((n) => methods.some((m) => n in metrics[m]));
  const best = Object.fromEntries(
    names.map((n) => {
      const values = methods.map((m) => metrics[m][n]).filter((v) => typeof v === "number");
      return [n, values.length ? shown(n, METRICS[n].better > 0 ? Math.max(...values) : Math.min(...values)) : null];
    }),
  );
  const head = names.map((n) => {
    const { words, unit, better } = METRICS[n];
    const arrow = better > 0 ? "↑" : "↓";
    const direction = t(better > 0 ? "metric.up" : "metric.down");
    return h(
      "th",
      { scope: "col", title: t("list.of", { what: t(words), all: direction }) },
      `${t(words)}${unit ? ` ${unit}` : ""}`,
      h("span", { class: "arrow", "aria-hidden": "true" }, ` ${arrow}`),
      h("span", { class: "sr" }, t("list.comma"), direction),
    );
  });
  const body = methods.map((m) =>
    h(
      "tr",
      { data: { method: m } },
      h("th", { scope: "row" }, h("span", { class: `dot ${methodClass(m)}` }), named(group, m)),
      names.map((n) =>
        h(
          "td",
          { class: n in metrics[m] && shown(n, metrics[m][n]) === best[n] ? "best" : null },
          shown(n, metrics[m][n]),
        ),
      ),
    ),
  );
  put(
    byId("metrics"),
    h("caption", { class: "sr" }, t("metric.caption", { group: group ? groupTitle(group) : "" })),
    h("thead", {}, h("tr", {}, h("td", {}), head)),
    h("tbody", {}, body),
  );
  byId("metrics").hidden = !methods.length;
  byId("direction").hidden = !methods.length;
  const changed = metrics.changed;
  byId("changed").hidden = typeof changed !== "number";
  if (typeof changed === "number")
    byId("changed").textContent = t("metric.changed", { share: fixed(changed * 100, 1) });
}

/** What the person should know of what is on show: which weights, what could not be had, how much was filled in. */
function notes(result) {
  const { status = {}, settings, panels, metrics } = result;
  const missing = { features: settings.features, segmentation: settings.segmentation !== "off" };
  const lines = ["truth", "features", "segmentation", "signal"].filter((name) => {
    if (name === "truth") return status.truth && state.view.group === "signal" && !mainFigure(metrics.signal ?? {}); // the verdict says it
    const there = panels.some((p) => p.group === name);
    return status[name] && (there ? state.view.group === name : missing[name]);
  });
  if (status.image) lines.push("image");
  const byHand = settings.objective !== "suited";
  byId("said").hidden = !lines.length && !byHand && !status.warning;
  put(
    byId("said"),
    status.warning && state.view.group === "signal" && h("p", { id: "warning" }, inWords(status.warning)),
    byHand && h("p", { id: "by-hand" }, t("objective.byHand", { objective: shownChoice("objective", settings.objective) })),
    lines.map((name) => h("p", {}, inWords(status[name]))),
  );
}

const stagesOf = (timings) => Object.entries(timings).filter(([name]) => name !== "total");

function ran(result) {
  const { settings, image, timings_ms: timings = {} } = result;
  const total = timings.total ?? stagesOf(timings).reduce((sum, [, ms]) => sum + ms, 0);
  const line = t("ran.line", {
    width: image.width,
    height: image.height,
    lrWidth: image.lr_width,
    lrHeight: image.lr_height,
    steps: t(result.losses.length === 1 ? "ran.step" : "ran.steps", { count: result.losses.length }),
    device: String(result.device).toUpperCase(),
    backend: result.backend,
    time: result.status?.run ? t("ran.again") : seconds(total / 1000),
  });
  put(byId("ran"), line);
  const rows = [
    ...Object.entries(result.status ?? {})
      .filter(([, text]) => text)
      .map(([name, text]) => [STATUS[name] ? t(STATUS[name]) : name, inWords(text)]),
    [
      t("ran.settings"),
      Object.entries(settings)
        .map(([name, value]) => t("list.of", { what: label(name), all: shownSetting(name, value) }))
        .join(t("list.semicolon")),
    ],
    [
      t("ran.stages"),
      list(stagesOf(timings).map(([name, ms]) => `${stageWords(name)} ${number(ms, 2)} ms`)),
    ],
  ];
  put(byId("ran-more"), rows.map(([name, words]) => [h("dt", {}, name), h("dd", {}, words)]).flat());
  const files = result.panels.filter((p) => p.url?.startsWith("/static/out/")).map((p) => p.url);
  byId("files-row").hidden = !files.length;
  put(
    byId("files"),
    files.map((url) => h("li", {}, h("a", { href: url, download: true }, url.split("/").pop()))),
  );
}

const STATUS = {
  run: "ran.run",
  image: "ran.image",
  backend: "ran.backend",
  objective: "ran.objective",
  fit: "ran.fit",
  features: "ran.features",
  segmentation: "ran.segmentation",
  signal: "ran.signal",
  truth: "ran.truth",
  warning: "ran.warning",
  files: "ran.files",
  download: "ran.download",
};
