// The truth at full resolution: brought beside a signal, or reduced to one here; a built-in scene has its own.

import * as api from "./api.js";
import { button, byId, h, picks, put } from "./dom.js";
import { gridOf } from "./grid.js";
import { t } from "./i18n.js";
import { hush, say } from "./notice.js";
import { run } from "./runner.js";
import { isSmallEnough, sending } from "./sending.js";
import { origin, putOn } from "./signal.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

const STRIDES = [8, 16];
const OF_SCENES = { depth: "truth.depth", labels: "truth.labels" };

/** What a truth is called; a scene's own has no file's name. */
const called = ({ what, name }) => (what ? t(OF_SCENES[what]) : name);

let turn = 0; // number of the newest choice; an older answer is not taken

export function start() {
  picks(byId("truth-open"), byId("truth-file"), (file) =>
    bringFile(file, state.signal && !state.signal.made),
  );
  byId("truth-drop").addEventListener("click", async () => {
    turn++;
    set({ truth: null, ...(state.signal?.made ? { signal: null } : {}) });
    byId("truth-open").focus();
    await run();
  });
  on("image", leave);
  on("signal", forget);
  on(["truth", "signal", "image", "language"], draw);
  draw();
}

/** What was made of a scene goes with it. */
function leave() {
  if (state.truth?.scene && state.image?.sample !== state.truth.scene)
    set({ truth: null, ...(state.signal?.made ? { signal: null } : {}) });
}

/** A truth is that of one signal; taken for another kind it still is. */
function forget() {
  if (state.truth && origin(state.signal) !== state.truth.of) set({ truth: null });
}

/** Cells of the low-resolution grid, of the picture as a run has it. */
const cells = (stride) => gridOf(state.image, state.settings.resolution, stride);

/**
 * Send a truth; without a signal of its own it is reduced to one.
 * @param {{scene: string, what: string} | null} of what of a scene it is
 */
async function bring(name, send, of, beside, stride = state.settings.stride) {
  const mine = ++turn;
  const signal = origin(state.signal);
  try {
    const { truth_id: id, shape } = await sending(name, send());
    const truth = { id, name, shape, send, ...of };
    if (!isLarge(shape)) {
      const sizes = { size: shape.join(" × "), ...cells(1) };
      if (mine === turn) say("error", () => t("truth.small", { name: called(truth), ...sizes }), { about: "refusal" });
      return;
    }
    const answer = beside ? null : await api.reduceTruth(id, cells(stride));
    if (mine !== turn || (beside && origin(state.signal) !== signal)) return;
    hush("refusal");
    if (answer) putOn(answer, { made: { called: () => t("truth.reduced", { name: called(truth), stride }) } });
    set({ truth: { ...truth, of: origin(state.signal) } });
    await run();
  } catch (error) {
    await trouble(error);
  }
}

/** Whether a truth of this shape may have a value for each pixel: its channels may come first or last. */
const isLarge = (shape) => [shape.slice(-2), shape.slice(0, 2)].some(([rows, cols]) => isWhole([1, rows, cols]));

/** Whether an array [C, rows, columns] has a value for each pixel of the picture as a run has it. */
export function isWhole([, rows, cols]) {
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

async function bringFile(file, beside) {
  if (isSmallEnough(file, "signal_bytes")) await bring(file.name, () => api.sendTruth(file), null, beside);
}

/** Put on a truth that the server still holds, from the address, beside its signal; false if it cannot be had. */
export async function takeKnown(id) {
  const mine = ++turn;
  const { signal } = state;
  if (!signal) return false;
  try {
    const { shape, name, sample: scene, what } = await api.readTruth(id);
    if (mine !== turn || origin(state.signal) !== origin(signal)) return true; // something was brought meanwhile
    const own = scene && { scene, what, send: () => api.sceneTruth(scene, what) };
    set({ truth: { id, name, shape, of: origin(signal), ...own } });
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine !== turn;
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
  byId("truth-open").hidden = Boolean(truth);
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
          () => bring(t(words), () => api.sceneTruth(image.sample, what), { scene: image.sample, what }, false, stride),
          `${t(words)} ×${stride}`,
        ),
      ),
    ),
  );
}
