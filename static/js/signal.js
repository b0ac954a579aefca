// A low-resolution signal that a person brings beside the picture: depth, labels, probabilities, features.

import * as api from "./api.js";
import { byId, h, picks, put } from "./dom.js";
import { t } from "./i18n.js";
import { gridOf } from "./grid.js";
import { run } from "./runner.js";
import { inWords, said } from "./said.js";
import { choose, claim, send } from "./sending.js";
import { on, set, state } from "./state.js";

const MISFITS = ["signal_aspect", "signal_size", "signal_tokens"]; // refusals of a shape over a picture's

let looked = ""; // the signal, the image and the resolution that the server was last asked about

export const isSignalFile = (file) => /\.(np[yz]|safetensors|pth?|tiff?|p[fgp]m|flo)$/i.test(file.name);

export function start() {
  picks(byId("signal-open"), byId("signal-file"), takeSignal);
  byId("signal-another").addEventListener("click", () => byId("signal-file").click());
  byId("signal-drop").addEventListener("click", drop);
  byId("signal-kind").addEventListener("change", () => understandAs({ ...state.signal.words, kind: byId("signal-kind").value }));
  on(["signal", "language"], draw);
  on(["signal", "image", "settings"], look);
}

async function drop() {
  choose("signal", "truth"); // which goes with it
  set({ signal: null });
  byId("signal-open").focus();
  await run();
}

const CELLS = /^(\d+)x(\d+)$/;
/** What a button of a refused signal's notice does: `take(words)` brings the same once more, with what a person says. */
const remedied = ({ remedies = [] }, take) =>
  remedies.filter(({ value }) => value).map(({ word, value }) => ({
    label: () => {
      const [, rows, cols] = CELLS.exec(value) ?? [];
      if (word === "entry") return t("signal.takeEntry", { entry: value });
      if (word === "kind") return t("signal.takeAs", { kind: kindWords(value) });
      return rows ? t("signal.takeAsGrid", { rows, cols }) : t("signal.takeAsTokens");
    },
    run: () => take({ [word]: value }),
  }));

/** The buttons by which a file that was refused for holding several arrays is taken. */
export const entriesOf = (problem, take) =>
  remedied({ remedies: (problem.remedies ?? []).filter(({ word }) => word === "entry") }, take);

/**
 * Where a run refuses the signal's shape, buttons take it otherwise, or off. One that went with another picture was not brought for
 * this one: that says more than how it could be laid out.
 */
export function misfit(problem) {
  const { signal, image, runs, settings } = state;
  if (!signal || !MISFITS.includes(problem.code)) return null;
  const went = runs.find((one) => origin(one.signal) === origin(signal));
  if (went && went.from !== image) {
    const [rows, cols] = signal.shape.slice(1);
    const picture = gridOf(image, settings.resolution, 1);
    problem.words = () =>
      t("signal.misfit", { name: nameOf(signal), rows, cols, height: picture.rows, width: picture.cols });
  }
  problem.file = nameOf(signal);
  const otherwise = problem.words ? [] : remedied(problem, (words) => understandAs({ ...signal.words, ...words }));
  return { actions: [...otherwise, { label: () => t("signal.drop"), run: drop }] };
}

/** What a signal is called: one made of a truth by this page in the language that is shown. */
export const nameOf = ({ name, made }) => made?.called?.() ?? name;

function draw() {
  const { signal } = state;
  byId("signal-now").hidden = !signal;
  byId("signal-more").hidden = !signal;
  byId("signal-open").hidden = Boolean(signal);
  if (!signal) return;
  byId("signal-name").textContent = nameOf(signal);
  byId("signal-shape").textContent = `${signal.shape.join(" × ")} · ${kindWords(signal.kind)}`;
  byId("signal-name").title = [nameOf(signal), said(signal.note ?? "")].filter(Boolean).join("\n");
  put(
    byId("signal-kind"),
    Object.keys(KINDS).map((kind) => h("option", { value: kind }, kindWords(kind))),
  );
  byId("signal-kind").value = signal.kind;
  put(byId("signal-reason"), [
    h("span", {}, inWords(because(signal))),
    signal.runner_up && ` ${t("signal.maybe", { kind: kindWords(signal.runner_up) })}`,
  ]);
}

/** Why it is taken for that, in the server's words; the first doubt is on the kind where there is a runner-up. */
function because({ reason, gaps, doubts = [], runner_up: second }) {
  const others = doubts.slice(second ? 1 : 0);
  const said = others.some((doubt) => doubt.toLowerCase().includes(gaps.toLowerCase()));
  return [reason, ...(said ? [] : [gaps]), ...others].filter(Boolean).map((one) => one.replace(/\.?$/, ".")).join(" ");
}

const KINDS = {
  depth: "signal.kind.depth",
  labels: "signal.kind.labels",
  soft_labels: "signal.kind.soft_labels",
  probabilities: "signal.kind.probabilities",
  logits: "signal.kind.logits",
  features: "signal.kind.features",
  heat_map: "signal.kind.heat_map",
};
/** A kind of signal in words. */
export const kindWords = (kind) => t(KINDS[kind] ?? "signal.kind.other");

/** What a signal keeps that is sent again or taken for another kind: its file, or else what tells it from others. */
export const origin = (signal) => signal && (signal.blob ?? signal.made ?? signal.name);

/** What the page keeps of the server's answer about a signal. */
const kept = ({ signal_id: id, shape, kind, note, name, reason, gaps, doubts, runner_up, words, entry }) => ({
  id, shape, kind, note, reason, gaps, doubts, runner_up, words, entry, name: named(name, entry),
});

/** A file's name with that of the one of its arrays that is meant, as the command line and the library take it. */
export const named = (file, entry) => (entry ? `${file}:${entry}` : file);

/** What the card says is what a run has: over another image the axes may be others, and tokens lie in other rows. */
async function look() {
  const { signal, image, settings } = state;
  if (!signal || !image) return;
  const over = { image: image.id, resolution: settings.resolution };
  const now = JSON.stringify([signal.id, over]);
  if (now === looked) return;
  looked = now;
  try {
    const { shape, kind, note, reason, gaps, doubts, runner_up } = await api.readSignal(signal.id, over);
    if (now !== looked || state.signal?.id !== signal.id) return;
    set({ signal: { ...state.signal, shape, kind, note, reason, gaps, doubts, runner_up } });
  } catch (error) {
    // what was said without the image stands; the run reports the trouble
    if (!(error instanceof api.Problem) && !(error instanceof api.Unreachable)) throw error;
  }
}

/** Take the signal for what the person says it is. */
async function understandAs(words) {
  const { signal } = state;
  const actions = (problem) => remedied(problem, (more) => understandAs({ ...words, ...more }));
  const asked = { slots: ["signal"], actions };
  const answer = await send(asked, (giveUp) => api.understandSignal(signal.id, words, giveUp));
  if (!answer) return draw(); // the list goes back to what holds
  set({ signal: { ...signal, ...kept(answer), name: signal.name } });
  await run();
}

/** A signal that was made of a truth, as the page has it. */
export const madeOf = (answer, called) => ({ ...kept(answer), made: { called } });

/**
 * Use a signal that a person brings; true if it was taken.
 * @param {(shape: number[]) => any} [otherwise] what may be made of one of this shape instead
 * @param {object} [words] what the person says of it
 */
export async function takeSignal(file, otherwise, words = {}) {
  const { name } = file;
  const actions = (problem) => remedied(problem, (more) => takeSignal(file, otherwise, { ...words, ...more }));
  const asked = { slots: ["signal"], name, file, limit: "signal_bytes", actions };
  const answer = await send(asked, (giveUp) => api.sendSignal(file, words, giveUp));
  if (!answer) return false;
  if (await otherwise?.(answer.shape)) return true;
  set({ signal: { ...kept(answer), name: named(name, answer.entry), blob: file } });
  await run();
  return true;
}

/** Put on a signal that the server still holds, from the address; false if it holds it no longer. */
export async function takeKnown(id) {
  const mine = claim("signal");
  try {
    const answer = await api.readSignal(id);
    if (mine.aborted) return true;
    set({ signal: { ...kept(answer), ...(answer.made ? { made: {} } : {}) } });
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine.aborted; // one that was brought meanwhile stays
  }
}
