// What a run means: who is closer to the truth and by how much, every figure with its unit and direction, what ran.

import { given } from "./api.js";
import { label, shownChoice, shownSetting } from "./controls.js";
import { byId, h, put } from "./dom.js";
import { fixed, number, seconds } from "./format.js";
import { mixedNow } from "./compare.js";
import { list, listed, t } from "./i18n.js";
import { bestOf, compared, methodClass, methodIn, methodNow, methodOrder, methodsOf, methodWords, mixedGroup } from "./methods.js";
import { groupTitle } from "./panels.js";
import { stageWords } from "./progress.js";
import { inWords, said } from "./said.js";
import { on, state } from "./state.js";

const SHARE = { unit: "%", decimals: 1, scale: 100 };
// words: its name; is: what it is, in a clause; better: 1 up, -1 down. The verdict is about the first that there is.
const METRICS = {
  cosine: { words: "metric.cosine", is: "metric.cosine.is", better: 1, decimals: 4 },
  psnr: { words: "metric.psnr", is: "metric.psnr.is", unit: "dB", better: 1, decimals: 2 },
  miou: { words: "metric.miou", is: "metric.miou.is", better: 1, ...SHARE },
  rmse: { words: "metric.rmse", is: "metric.rmse.is", better: -1 },
  mse: { words: "metric.mse", is: "metric.mse.is", better: -1 },
  mae: { words: "metric.mae", is: "metric.mae.is", better: -1 },
  sad: { words: "metric.sad", is: "metric.sad.is", better: -1 },
  edge_rmse: { words: "metric.edge_rmse", is: "metric.edge_rmse.is", better: -1 },
  delta1: { words: "metric.delta1", is: "metric.delta1.is", better: 1, ...SHARE },
  accuracy: { words: "metric.accuracy", is: "metric.accuracy.is", better: 1, ...SHARE },
  boundary_miou: { words: "metric.boundary_miou", is: "metric.boundary_miou.is", better: 1, ...SHARE },
  boundary_f: { words: "metric.boundary_f", is: "metric.boundary_f.is", better: 1, ...SHARE },
  ssim: { words: "metric.ssim", is: "metric.ssim.is", better: 1, decimals: 3 },
  l1: { words: "metric.l1", is: "metric.l1.is", better: -1, decimals: 4 },
  edge_alignment: { words: "metric.edge_alignment", is: "metric.edge_alignment.is", unit: "×", better: 1, decimals: 1 },
  agrees: { words: "metric.agrees", is: "metric.agrees.is", better: 1, ...SHARE },
};
const NAMES = Object.keys(METRICS);
const NO_TRUTH = ["agrees", "edge_alignment"]; // figures that measure against none
const NAMED = 3; // methods in a verdict
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
  byId("but").hidden = true;
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
  if (!tie) but(metrics, name, [best, "bilinear"], [gain > 0 ? best : "bilinear"]);
}

/** Say of `methods` by which other figures another one than the `best` is closer. */
function but(metrics, main, methods, best) {
  const names = NAMES.filter((name) => {
    const known = methods.filter((m) => isKnown(metrics[m], name));
    if (name === main || NO_TRUTH.includes(name) || !best.some((m) => known.includes(m))) return false;
    const closest = known.reduce((a, b) => (METRICS[name].better * (figureOf(metrics[b], name) - figureOf(metrics[a], name)) > 0 ? b : a));
    return !best.some((m) => shown(name, metrics[m][name]) === shown(name, metrics[closest][name]));
  });
  byId("but").hidden = !names.length;
  byId("but").textContent = t("verdict.but", { metrics: listed(names.map((name) => t(METRICS[name].words))) });
}

/** Against a truth: who is closest, and how close the next ones are; the table has them all. */
function closest(box, metrics) {
  const figure = mainFigure(metrics);
  if (!figure) return;
  const { name, better, words, text } = figure;
  const all = compared(state.result, "signal", metrics);
  const told = (m) => t("verdict.figure", { method: named("signal", m), value: text(metrics[m][name]) });
  if (name === "agrees") {
    const some = methodsOf(state.result, "signal").map((one) => one.id);
    put(box, t("verdict.agrees", { methods: listed(some.slice(0, NAMED).map(told)) }));
    return;
  }
  const of = (m) => figureOf(metrics[m], name);
  const known = all.filter((m) => isKnown(metrics[m], name));
  known.sort((a, b) => better * Math.sign(of(b) - of(a)) || methodOrder(a, b));
  const value = text(metrics[known[0]][name]);
  const best = known.filter((m) => of(m) === of(known[0]) || text(metrics[m][name]) === value); // to the digits shown
  const others = known.slice(best.length, NAMED).map(told);
  const winner = best.length > 1 ? "tie" : best[0];
  box.classList.add({ bilinear: "loss", tie: "tie" }[winner] ?? "win");
  box.dataset.winner = winner;
  const who = { winner: listed(best.map((m) => named("signal", m))), count: best.length, metric: words, value };
  const equal = best.length > NAMED ? "verdict.manyEqual" : others.length ? "verdict.equal" : "verdict.onlyEqual";
  const how = best.length === known.length ? "verdict.allEqual" : best.length === 1 ? "verdict.closest" : equal;
  put(box, t(how, { ...who, others: listed(others) }));
  but(metrics, name, known, best);
}

const named = (group, method) => methodIn(state.result, group, method);

/** Which way was measured best for such a signal, and why; of the methods that are there. */
function measured(result) {
  const { group } = state.view;
  const row = result.measured?.[mixedGroup(group)];
  byId("measured").hidden = !row;
  if (!row) return;
  const { best, figure, row: name, why } = row;
  const ways = methodsOf(result, group).filter(({ id }) => typeof row[methodNow(result, group, id)] === "number");
  const told = ({ id }) => t("verdict.figure", { method: named(group, id), value: fixed(row[methodNow(result, group, id)], 1) });
  byId("measured").textContent = t("measured.line", {
    best: named(group, ways.find(({ id }) => methodNow(result, group, id) === best).id),
    figure: said(figure),
    row: said(name),
    figures: listed(ways.map(told)),
    why: said(why),
  });
}

function table(group, metrics) {
  const methods = compared(state.result, group, metrics);
  const names = NAMES.filter((n) => methods.some((m) => n in metrics[m]));
  const best = Object.fromEntries(
    names.map((n) => {
      const values = methods.map((m) => metrics[m][n]).filter((v) => typeof v === "number");
      return [n, values.length ? shown(n, METRICS[n].better > 0 ? Math.max(...values) : Math.min(...values)) : null];
    }),
  );
  const head = names.map((n) => {
    const { words, is, unit, better } = METRICS[n];
    const arrow = better > 0 ? "↑" : "↓";
    const direction = t(better > 0 ? "metric.up" : "metric.down");
    return h(
      "th",
      { scope: "col", title: t("metric.is", { what: t(is), direction }) },
      `${t(words)}${unit ? ` ${unit}` : ""}`,
      h("span", { class: "arrow", "aria-hidden": "true" }, ` ${arrow}`),
      h("span", { class: "sr" }, t("list.comma"), direction),
    );
  });
  const body = methods.map((m) =>
    h(
      "tr",
      { data: { method: m } },
      h("th", { scope: "row", title: methodWords(state.result, group, m) }, h("span", { class: `dot ${methodClass(methodNow(state.result, group, m))}` }), named(group, m)),
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
    byId("changed").textContent = t("metric.changed", {
      share: fixed(changed * 100, 1),
      ours: named(group, "gsjbu"),
      theirs: named(group, "bilinear"),
    });
}

/** What the person should know of what is on show: which weights, what could not be had, how much was filled in. */
function notes(result) {
  const { status = {}, settings, panels, metrics } = result;
  const missing = { features: settings.features, segmentation: settings.segmentation !== "off" };
  const lines = ["truth", "features", "segmentation", "signal"].filter((name) => {
    if (name === "truth") return status.truth && state.view.group === "signal" && !mainFigure(metrics.signal ?? {}); // the verdict says it
    const there = panels.some((p) => p.group === name);
    return status[name] && (there ? mixedGroup(state.view.group) === name : missing[name]);
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

/** How many steps the fit of the method on the right took, or of the group's GS-JBU. */
function stepsNow(result) {
  const { group, method } = mixedNow();
  const all = methodsOf(result, group);
  const one = [method, "gsjbu"].map((id) => all.find((m) => m.id === id)).find((m) => typeof m?.steps === "number");
  const count = one?.steps ?? result.losses.length;
  const steps = t(count === 1 ? "ran.step" : "ran.steps", { count });
  return one ? t("ran.stepsOf", { steps, method: named(group, one.id) }) : steps;
}

function ran(result) {
  const { settings, image, timings_ms: timings = {} } = result;
  const total = timings.total ?? stagesOf(timings).reduce((sum, [, ms]) => sum + ms, 0);
  const line = t("ran.line", {
    width: image.width,
    height: image.height,
    lrWidth: image.lr_width,
    lrHeight: image.lr_height,
    steps: stepsNow(result),
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
  const files = result.panels.filter((p) => p.url?.startsWith("/static/out/")).map((p) => given(p.url));
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
