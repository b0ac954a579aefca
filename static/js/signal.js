// A low-resolution signal that a person brings beside the picture: depth, labels, probabilities, features.

import * as api from "./api.js";
import { byId, h, picks, put } from "./dom.js";
import { t } from "./i18n.js";
import { hush } from "./notice.js";
import { run } from "./runner.js";
import { inWords, said } from "./said.js";
import { isSmallEnough, sending } from "./sending.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

let looked = ""; // the signal, the image and the resolution that the server was last asked about
let turn = 0; // number of the newest choice; an older answer is not taken

export const isSignalFile = (file) => /\.(np[yz]|safetensors|pth?|tiff?|p[fgp]m|flo)$/i.test(file.name);

export function start() {
  picks(byId("signal-open"), byId("signal-file"), takeSignal);
  byId("signal-drop").addEventListener("click", async () => {
    turn++;
    set({ signal: null });
    byId("signal-open").focus();
    await run();
  });
  byId("signal-kind").addEventListener("change", () => understandAs(byId("signal-kind").value));
  on(["signal", "language"], draw);
  on(["signal", "image", "settings"], look);
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
const kept = ({ signal_id: id, shape, kind, note, name, reason, gaps, doubts, runner_up, words }) => ({
  id, shape, kind, note, name, reason, gaps, doubts, runner_up, words,
});

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
async function understandAs(kind) {
  const mine = ++turn;
  const { signal } = state;
  try {
    const answer = await api.understandSignal(signal.id, { kind });
    if (mine !== turn) return;
    hush("refusal");
    set({ signal: { ...signal, ...kept(answer), name: signal.name } });
    await run();
  } catch (error) {
    draw(); // the list goes back to what holds
    await trouble(error);
  }
}

/** Put on a signal that was made of a truth. */
export function putOn(answer, more) {
  turn++;
  hush("signal");
  set({ signal: { ...kept(answer), ...more } });
}

/**
 * Use a signal that a person brings; true if it was taken.
 * @param {(shape: number[]) => any} [otherwise] what may be made of one of this shape instead
 */
export async function takeSignal(file, otherwise) {
  if (!isSmallEnough(file, "signal_bytes")) return false;
  const mine = ++turn;
  try {
    const answer = await sending(file.name, api.sendSignal(file));
    if (mine !== turn) return false;
    if (await otherwise?.(answer.shape)) return true;
    hush("refusal");
    hush("signal");
    set({ signal: { ...kept(answer), name: file.name, blob: file } });
    await run();
    return true;
  } catch (error) {
    await trouble(error);
    return false;
  }
}

/** Put on a signal that the server still holds, from the address; false if it holds it no longer. */
export async function takeKnown(id) {
  const mine = ++turn;
  try {
    const answer = await api.readSignal(id);
    if (mine !== turn) return true;
    set({ signal: { ...kept(answer), ...(answer.made ? { made: {} } : {}) } });
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine !== turn; // one that was brought meanwhile stays
  }
}
