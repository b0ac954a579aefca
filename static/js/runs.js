// The runs of this visit, each with its figure: press one to have it back, or put it beside what is on show.

import { addGroup, go } from "./compare.js";
import { label, shownSetting } from "./controls.js";
import { button, h, put } from "./dom.js";
import { t } from "./i18n.js";
import { bestOf, methodOf } from "./methods.js";
import { isError } from "./panels.js";
import { mainFigure } from "./report.js";
import { said } from "./said.js";
import { kindWords, nameOf } from "./signal.js";
import { on, set, state } from "./state.js";
import { called } from "./truth.js";

const KEEP = 12;

/** @type {(result: object) => Promise<void>} */
let comeBack = async () => {};

/** `fn(result)` puts the page back to the run that gave `result`. */
export function start(fn) {
  comeBack = fn;
  on("result", () => state.result && keep(state.result));
}

const asked = ({ settings, from, signal, truth }) => JSON.stringify([settings, from.id, signal?.id, truth?.id]);

/** A run that was asked for again takes its older self's place. */
function keep(result) {
  const others = state.runs.filter((one) => one.job !== result.job && asked(one) !== asked(result));
  if (state.runs.some((one) => one.job === result.job)) return; // somebody came back to it
  set({ runs: [result, ...others].slice(0, KEEP) });
}

const pictureName = ({ from }) => (from.sample ? said(from.name) : from.name);

const ALWAYS = new Set(["stride", "iters", "radius"]); // what every run's line has

const settingWords = (settings) => ({ name }) => `${label(name)} ${shownSetting(name, settings[name])}`;
const signalWords = (signal) => `${nameOf(signal)} (${kindWords(signal.kind)})`;
/** The truth that was brought beside a signal; of one made of its truth the signal's name says it. */
const truthWords = ({ signal, truth }) => (truth && !signal?.made ? t("truth.is", { name: called(truth) }) : "");

/** What a run was asked for: beside what is always said, what is not as usual or not as in another run. */
function words(run) {
  const { settings, signal } = run;
  const differ = ({ name, default: usual }) =>
    !ALWAYS.has(name) && state.runs.some((one) => one.settings[name] !== usual || one.settings[name] !== settings[name]);
  const others = state.info.settings.filter(differ).map(settingWords(settings));
  const brought = [signal ? signalWords(signal) : "", truthWords(run)].filter(Boolean);
  return [t("runs.line", settings), ...others, ...brought].join(" · ");
}

/** What tells a run from another one, in as few words; all of it where nothing does. */
function apart(run, other) {
  const differ = ({ name }) => run.settings[name] !== other.settings[name];
  const parts = state.info.settings.filter(differ).map(settingWords(run.settings));
  if (run.from.id !== other.from.id) parts.unshift(pictureName(run));
  if (run.signal?.id !== other.signal?.id) parts.push(run.signal ? signalWords(run.signal) : t("runs.bare"));
  if (run.truth?.id !== other.truth?.id) parts.push(truthWords(run));
  return parts.filter(Boolean).join(" · ") || words(run);
}

/** A run's figure with its name: against the truth of its signal where there is one, else of RGB. */
function figure(run) {
  const measured = mainFigure(run.metrics.signal ?? {});
  const group = measured && measured.name !== "agrees" ? "signal" : "rgb";
  const shown = mainFigure(run.metrics[group] ?? {});
  const value = run.metrics[group]?.[bestOf(run, group)]?.[shown?.name];
  return value === undefined ? "–" : `${shown.words} ${shown.text(value)}`;
}

/** The list, into the holder of the charts. */
export function drawRuns(holder) {
  put(holder, h("ul", { class: "runs" }, state.runs.map(line)));
}

function line(one) {
  const { job } = one;
  const title = t("runs.beside", { run: words(one) });
  const disabled = !comparable(one, state.result);
  return h(
    "li",
    {},
    button(
      { class: "back", data: { job }, "aria-current": job === state.result?.job ? "true" : null },
      () => comeBack(one),
      h("b", {}, pictureName(one)),
      h("span", { class: "figure" }, figure(one)),
      h("span", { class: "quiet" }, words(one)),
    ),
    button({ class: "icon", data: { beside: job }, "aria-label": title, title, disabled }, () => beside(one), "⇄"),
  );
}

const sameSize = (a, b) => a.width === b.width && a.height === b.height;

/** A group's picture by what measured best for it: not a map of its errors. */
const main = (result, group) =>
  result.panels.find((p) => p.group === group && methodOf(p.name) === bestOf(result, group) && !isError(p)) ??
  result.panels.find((p) => p.name === "gsjbu_rgb");

const comparable = (one, other) =>
  Boolean(other) && one.job !== other.job && sameSize(one.image, other.image) && main(one, "rgb") && main(other, "rgb");

/** Two runs in the viewer: that one on the left, the one on show on the right. */
async function beside(one) {
  const { result, view } = state;
  const both = main(one, view.group)?.group === main(result, view.group)?.group;
  const group = both ? view.group : "rgb";
  addGroup(
    "runs",
    [one, result].map((run) => {
      // a name of its own: the values under the pointer are asked for by name, of the run on show
      const { name, ...panel } = main(run, group);
      const title = apart(run, run === one ? result : one);
      return { ...panel, group: "runs", name: `run_${run.job}`, of: { job: run.job, name }, title };
    }),
  );
  await go("runs");
}
