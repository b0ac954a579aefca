// Puts the page together: settings and words, then the picture, then the first run.

import "./viewer.js";
import * as advice from "./advice.js";
import * as api from "./api.js";
import * as awaited from "./awaited.js";
import * as charts from "./charts.js";
import * as compare from "./compare.js";
import * as connection from "./connection.js";
import * as controls from "./controls.js";
import * as cutout from "./cutout.js";
import * as relief from "./relief.js";
import { byId } from "./dom.js";
import * as ellipses from "./ellipses.js";
import * as gallery from "./gallery.js";
import * as i18n from "./i18n.js";
import * as inspector from "./inspector.js";
import * as language from "./language.js";
import * as notice from "./notice.js";
import * as outputs from "./outputs.js";
import * as profile from "./profile.js";
import * as progress from "./progress.js";
import * as readout from "./readout.js";
import * as recovery from "./recovery.js";
import * as region from "./region.js";
import * as report from "./report.js";
import * as runner from "./runner.js";
import * as runs from "./runs.js";
import { choose, isChosen } from "./sending.js";
import * as signal from "./signal.js";
import * as spoken from "./spoken.js";
import * as similarity from "./similarity.js";
import { look, set, state } from "./state.js";
import * as truth from "./truth.js";
import * as tools from "./tools.js";
import { trouble } from "./trouble.js";
import * as url from "./url.js";
import * as webcam from "./webcam.js";

/** A control was moved: take the value over and run, at once if the hand has let go. */
function change(name, value, settled) {
  const isNew = controls.take(name, value);
  if (settled) runner.run();
  else if (isNew) runner.later();
}

/**
 * A pixel, region or line at the same place of a picture that has another size now.
 * @returns {any}
 */
function carried(shape, from, to) {
  const at = (key, pixel) => Math.floor((pixel + 0.5) * (key[0] === "x" ? to.width / from.width : to.height / from.height));
  return shape && Object.fromEntries(Object.entries(shape).map(([key, pixel]) => [key, at(key, pixel)]));
}

const isInside = ({ x, y }, { width, height }) => x < width && y < height;

/** Whether two results are of one picture and one signal: what differs is how they are upsampled. */
const haveSameClasses = (one, other) =>
  one.signal?.kind === other.signal?.kind &&
  signal.origin(one.signal) === signal.origin(other.signal) &&
  (one.from.sample ?? one.from.blob ?? one.from.id) === (other.from.sample ?? other.from.blob ?? other.from.id);

let whenShown = () => {}; // to be done once the first result is on show

/** A finished run: load what is on show, then change everything in one frame. */
async function present(result, stillWanted) {
  const brought = result.signal?.blob ?? result.signal?.made;
  const before = state.result?.signal;
  if (state.view.group === "runs") compare.next(compare.whole("rgb"));
  compare.addGroup("runs", null); // the pair was of what was on show
  if (state.hiddenClasses.length && state.result && !haveSameClasses(state.result, result)) set({ hiddenClasses: [] });
  if (brought && state.result && brought !== (before?.blob ?? before?.made)) compare.next(compare.whole("signal")); // it is why they came
  const swap = await compare.prepare(result);
  if (!stillWanted()) return;
  const { image: to } = result;
  const { image: from = to } = state.result ?? {};
  const { region, line } = state;
  const point = carried(state.point, from, to);
  set({ result, point: point && isInside(point, to) ? point : null });
  if (from.width !== to.width || from.height !== to.height)
    set({ region: carried(region, from, to), line: carried(line, from, to) });
  if (!swap()) await compare.showPair(); // another tab or panel was chosen meanwhile: show that, of this result
  notice.hush("refusal");
  document.body.dataset.job = result.job;
  whenShown();
  whenShown = () => {};
}

/** Have an earlier run back, with its picture, signal and settings. */
async function comeBack(result) {
  runner.giveWay();
  choose("image", "signal", "truth"); // newer than what may be on its way
  const known = Object.entries(result.settings).filter(([name]) => name in state.settings);
  set({ settings: Object.fromEntries(known), image: result.from, signal: result.signal, truth: result.truth });
  try {
    await present(result, () => state.image === result.from);
    set({ run: { phase: "idle" } });
  } catch (error) {
    await trouble(error); // the server no longer holds its panels: it is run again
  }
}

/** An older entry of the history: its run, if it is kept, with the tab and panels of its address. */
async function goBack(address) {
  const { settings, view, sample, image, signal: brought, truth: measured } = address;
  const wanted = { ...defaults(), ...settings };
  const isIt = (one) =>
    (sample ? one.from.sample === sample : one.from.id === image) &&
    (one.signal?.id ?? null) === brought &&
    (one.truth?.id ?? null) === measured &&
    Object.entries(one.settings).every(([name, value]) => !(name in wanted) || wanted[name] === value);
  const run = state.runs.find(isIt);
  const pair = Object.fromEntries(url.VIEW.map((name) => [name, view[name] ?? null]));
  if (!run) return runAgain(address, wanted, pair);
  if (run !== state.result) await comeBack(run);
  await compare.want(pair);
}

/** Run what no kept run is of, with what this visit knows; the page is loaded anew for what it does not. */
async function runAgain({ sample, image: id, signal: signalId, truth: truthId }, settings, pair) {
  const { recent, runs } = state;
  const of = (name, wantedId) => (wantedId ? [state, ...runs].map((one) => one[name]).find((one) => one?.id === wantedId) : null);
  const known = [state.image, ...recent, ...runs.map(({ from }) => from)];
  const image = known.find((one) => (sample ? one.sample === sample : one.id === id));
  const brought = { signal: of("signal", signalId), truth: of("truth", truthId) };
  if ((!image && !sample) || brought.signal === undefined || brought.truth === undefined) return location.reload();
  runner.giveWay();
  choose("image", "signal", "truth");
  set({ settings, ...brought });
  compare.next(pair);
  if (!image) return gallery.takeSample(sample);
  set({ image });
  await runner.run();
}

const defaults = () => Object.fromEntries(state.info.settings.map((s) => [s.name, s.default]));

/** Fold the settings away where the page is one column, so that the picture is near the top. */
function fold() {
  const wide = matchMedia("(min-width: 48em)");
  const apply = () => {
    byId("settings").open = wide.matches;
  };
  wide.addEventListener("change", apply);
  apply();
}

/** Every part of the page; each listens to the state that it shows. */
function startAll() {
  language.start();
  controls.start(change);
  for (const part of [recovery, progress, advice, compare, tools, awaited, ellipses, cutout, relief]) part.start();
  for (const part of [readout, report, charts]) part.start();
  runs.start(comeBack);
  profile.start(() => charts.reveal("profile"));
  for (const part of [region, inspector, similarity, outputs, gallery, webcam, signal, truth, spoken]) part.start();
  url.start(goBack);
  runner.start({ pictures: compare.showEarly, result: present, refusal: signal.misfit });
}

async function begin() {
  const asked = new URLSearchParams(location.search);
  await i18n.load(i18n.firstLanguage(asked.get("lang")));
  state.info = await api.settings();
  await connection.meet();
  const address = url.read(state.info.settings);
  set({
    settings: { ...defaults(), ...address.settings },
    view: { ...state.view, ...address.view },
    point: address.point,
  });
  byId("viewer").asked = address.place;
  startAll();
  fold();
  document.body.dataset.ready = "true";
  await open(address);
}

/** Put on the signal, its truth and the picture that the address asks for, and say what of it could not be had. */
async function open(address) {
  const { samples } = state.info;
  const lost = { signal: false, truth: false, image: false };
  const sample = samples.find((one) => one.name === address.sample);
  const notThere = () => [
    ...address.refused.map(({ name, raw }) => `${controls.label(name)} = ${raw}`),
    ...(address.sample && !sample ? [i18n.t("picture.sample", { title: address.sample })] : []),
  ];
  const words = () =>
    i18n.sentences([
      notThere().length && i18n.t("error.address", { asked: i18n.list(notThere()) }),
      lost.image && i18n.t("error.imageForgotten"),
      lost.signal && i18n.t("error.signalForgotten"),
      lost.truth && i18n.t("error.truthForgotten"),
    ]);
  const tell = () => words() && notice.say("error", words, { about: "address" });
  tell();
  whenShown = () => {
    const { point, view } = address;
    const other = ["group", "left", "right"].filter((name) => view[name] && view[name] !== state.view[name]);
    const names = compare.allGroups().get(state.view.group).map((panel) => panel.name);
    const further = ["third", "fourth"].filter((name) => view[name] && !names.includes(view[name]));
    address.refused.push(...[...other, ...further].map((name) => ({ name, raw: view[name] })));
    for (const name of further) if (!names.includes(state.view[name])) look({ [name]: null });
    const isOutside = point && !isInside(point, state.result.image);
    if (isOutside) address.refused.push({ name: "point", raw: `${point.x},${point.y}` });
    if (other.length || further.length || isOutside) tell();
  };
  if (address.signal && !(await signal.takeKnown(address.signal))) {
    lost.signal = true;
    tell();
  }
  if (address.truth && !(await truth.takeKnown(address.truth))) {
    lost.truth = true;
    tell();
  }
  if (isChosen("image")) return; // somebody was quicker
  if (address.image) {
    if (await gallery.takeKnown(address.image)) return;
    lost.image = true;
    tell();
  }
  const first = sample ?? samples[0];
  const taken = first && gallery.takeSample(first.name);
  tell(); // of a choice of the page's own nothing goes
  await taken;
}

begin().catch((error) => {
  if (error instanceof api.Unreachable) {
    connection.onReturn(() => location.reload());
    connection.lost();
  } else if (error instanceof api.Problem) notice.refuse(error);
  else throw error;
});
