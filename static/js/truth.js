// The truth at full resolution: brought beside a signal, or reduced to one here; a built-in scene has its own.

import * as api from "./api.js";
import { button, byId, h, picks, put } from "./dom.js";
import { gridOf } from "./grid.js";
import { t } from "./i18n.js";
import { say } from "./notice.js";
import { run } from "./runner.js";
import { choose, claim, send, sending } from "./sending.js";
import { entriesOf, madeOf, named, origin } from "./signal.js";
import { on, set, state } from "./state.js";

const STRIDES = [8, 16];
const OF_SCENES = { depth: "truth.depth", labels: "truth.labels" };

/** What a truth is called; a scene's own has no file's name. */
export const called = ({ what, name }) => (what ? t(OF_SCENES[what]) : name);

/** The kinds of signals of which a scene's own is the truth. */
const KINDS = { depth: ["depth", "heat_map", "features"], labels: ["labels", "soft_labels", "probabilities", "logits"] };

export function start() {
  picks(byId("truth-open"), byId("truth-file"), (file) =>
    bringFile(file, state.signal && !state.signal.made),
  );
  byId("truth-drop").addEventListener("click", async () => {
    choose("truth");
    set({ truth: null, ...(state.signal?.made ? { signal: null } : {}) });
    byId("truth-open").focus();
    await run();
  });
  on(["image", "signal"], leave);
  on(["truth", "signal", "image", "language"], draw);
  draw();
}

/** A truth stays with the next signal and the next picture as long as it can be theirs; where it goes, that is said. */
function leave() {
  const { truth, signal, image } = state;
  if (!truth || !image) return;
  const isOfPicture = truth.scene ? image.sample === truth.scene : isOf(truth.shape);
  const isOfSignal = signal && (!truth.what || signal.made || KINDS[truth.what].includes(signal.kind));
  if (isOfPicture && isOfSignal) return;
  set({ truth: null, ...(signal?.made ? { signal: null } : {}) });
  const name = called(truth);
  say("info", () => t(isOfSignal ? "truth.ofPicture" : signal ? "truth.ofSignal" : "truth.alone", { name }));
}

/** Cells of the low-resolution grid, of the picture as a run has it. */
const cells = (stride) => gridOf(state.image, state.settings.resolution, stride);

/**
 * Send a truth; without a signal of its own it is reduced to one.
 * @param {{name: string, file?: File, get: (giveUp?: AbortSignal) => Promise<any>, of?: {scene: string, what: string},
 *   actions?: (problem: api.Problem) => object[]}} what `of`: what of a scene it is
 */
async function bring({ name, file, get, of, actions }, beside, stride = state.settings.stride) {
  const slots = beside ? ["truth"] : ["truth", "signal"];
  const found = await send({ slots, name, file, limit: file && "signal_bytes", actions }, async (giveUp) => {
    const { truth_id: id, shape, entry } = await get(giveUp);
    const truth = { id, name: named(name, entry), shape, send: () => get(), entry, ...of };
    return { truth, signal: beside || !isLarge(shape) ? null : await api.reduceTruth(id, cells(stride), giveUp) };
  });
  if (!found || !state.image) return; // the server may have forgotten the picture meanwhile, which is said
  const { truth, signal } = found;
  if (!isLarge(truth.shape)) {
    const sizes = { size: truth.shape.join(" × "), ...cells(1) };
    say("error", () => t("truth.small", { name: called(truth), ...sizes }), { about: "brought" });
    return;
  }
  const made = signal && madeOf(signal, () => t("truth.reduced", { name: called(truth), stride }));
  set({ truth, ...(made ? { signal: made } : {}) });
  await run();
}

/** Whether a truth of this shape may have a value for each pixel: its channels may come first or last. */
const isLarge = (shape) => planes(shape).some(([rows, cols]) => isWhole([1, rows, cols]));
/** Whether it has the picture's shape as well. */
const isOf = (shape) => planes(shape).some(([rows, cols]) => isWhole([1, rows, cols]) && isOfShape(rows, cols));
const planes = (shape) => [shape.slice(-2), shape.slice(0, 2)];

/** Whether rows and columns have the picture's shape, but for a pixel of a run. */
function isOfShape(rows, cols) {
  const { rows: height, cols: width } = cells(1);
  return Math.abs(height - (width * rows) / cols) <= 1 || Math.abs(width - (height * cols) / rows) <= 1;
}

/** Whether an array [C, rows, columns] has a value for each pixel of the picture as a run has it. */
export function isWhole([, rows, cols]) {
  if (!state.image) return false;
  const picture = cells(1);
  return rows >= picture.rows && cols >= picture.cols;
}

/** Whether the signal was made of its truth by this stride. */
function isReduced(stride) {
  const { rows, cols } = cells(stride);
  return Boolean(state.signal?.made) && state.signal.shape.slice(1).join() === [rows, cols].join();
}

/** Bring the truth of the signal that is worn. */
export const takeTruth = (file) => bringFile(file, true);

function bringFile(file, beside, entry = null) {
  const actions = (problem) => entriesOf(problem, (more) => bringFile(file, beside, more.entry));
  return bring({ name: file.name, file, get: (giveUp) => api.sendTruth(file, entry, giveUp), actions }, beside);
}

function bringOwn(scene, what, stride) {
  const get = (giveUp) => api.sceneTruth(scene, what, giveUp);
  return bring({ name: t(OF_SCENES[what]), get, of: { scene, what } }, false, stride);
}

/** Put on a truth that the server still holds, from the address, beside its signal; false if it cannot be had. */
export async function takeKnown(id) {
  const mine = claim("truth");
  const { signal } = state;
  if (!signal) return false;
  try {
    const { shape, name, entry, sample: scene, what } = await api.readTruth(id);
    if (mine.aborted || origin(state.signal) !== origin(signal)) return true; // something was brought meanwhile
    const own = scene && { scene, what, send: () => api.sceneTruth(scene, what) };
    set({ truth: { id, name: named(name, entry), shape, entry, ...own } });
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine.aborted;
  }
}

/**
 * After the server has forgotten: the same truth, and the signal that was made of it. A file's from an address cannot
 * be sent again: the server may hold it still, or refuses.
 */
export async function renewed(truth, signal) {
  const { truth_id: id } = truth.send ? await sending(truth.name, truth.send()) : await api.readTruth(truth.id);
  const again = { ...truth, id };
  if (!signal?.made) return { truth: again, signal };
  const [, rows, cols] = signal.shape;
  const answer = await api.reduceTruth(id, { rows, cols });
  const taken = signal.words.kind ? await api.understandSignal(answer.signal_id, signal.words) : answer;
  return { truth: again, signal: { ...signal, id: taken.signal_id } };
}

function draw() {
  const { truth, image } = state;
  byId("truth-now").hidden = !truth;
  byId("truth-open").hidden = Boolean(truth) || !image;
  byId("truth-open").textContent = t(state.signal && !state.signal.made ? "truth.open" : "truth.instead");
  if (truth) {
    byId("truth-name").textContent = t("truth.is", { name: called(truth) });
    byId("truth-name").title = called(truth);
    byId("truth-shape").textContent = truth.shape.join(" × ");
  }
  byId("truth-scene").hidden = !image?.sample;
  if (!image?.sample) return;
  put(
    byId("truth-scene"),
    h("span", { class: "quiet" }, t("truth.scene")),
    Object.entries(OF_SCENES).flatMap(([what, words]) =>
      STRIDES.map((stride) =>
        button(
          { data: { what, stride }, "aria-pressed": String(truth?.what === what && isReduced(stride)) },
          () => bringOwn(image.sample, what, stride),
          `${t(words)} ×${stride}`,
        ),
      ),
    ),
  );
}
