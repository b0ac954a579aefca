// When the server has forgotten what was sent (it was restarted, or the picture aged): send it again and run.

import * as api from "./api.js";
import * as connection from "./connection.js";
import { refuse, say } from "./notice.js";
import { sentences, t } from "./i18n.js";
import { giveWay, run } from "./runner.js";
import { sending } from "./sending.js";
import { set, state } from "./state.js";
import { renewed } from "./truth.js";
import { isForgotten, onForgotten } from "./trouble.js";

const FORGOTTEN = { signal: "error.signalForgotten", truth: "error.truthForgotten" };

const forgotten = () =>
  Object.assign(new api.Problem(404, { code: "expired" }), { words: () => t("error.imageForgotten") });

let recovering = false;

export function start() {
  onForgotten(again);
  connection.onReturn(async (restarted) => {
    if (!state.image) return;
    if (restarted || state.run.phase === "failed") await again();
  });
}

/** `asking`'s answer; null if the server has forgotten what was asked for. */
const held = (asking) =>
  asking.catch((error) => {
    if (isForgotten(error)) return null;
    throw error;
  });

/** The picture under a number that the server knows, or null: one from an address cannot be sent again. */
async function renewImage(old) {
  if (old.sample) return { ...old, id: (await api.takeSample(old.sample)).image_id };
  if (old.blob) return { ...old, id: (await sending(old.name, api.sendImage(old.blob))).image_id };
  return (await held(api.readImage(old.id))) && old;
}

/** The same for the signal. */
async function renewSignal(old) {
  if (old?.blob) return { ...old, id: (await sending(old.name, api.sendSignal(old.blob, { ...old.words, entry: old.entry }))).signal_id };
  return old && (await held(api.readSignal(old.id))) && old;
}

async function again() {
  if (recovering || !state.image) return;
  recovering = true;
  try {
    giveWay();
    const { image: old, signal: oldSignal } = state;
    const image = await renewImage(old);
    const { truth: oldTruth } = state;
    const remade = (oldTruth && (await held(renewed(oldTruth, oldSignal)))) ?? { truth: null };
    const signal = remade.signal?.made ? remade.signal : await renewSignal(oldSignal);
    const patch = { recent: state.recent.map((one) => (one.id === old.id && image ? image : one)) };
    if (state.image === old) patch.image = image; // another may have been chosen meanwhile
    if (state.signal === oldSignal) patch.signal = signal;
    if (oldTruth && state.truth === oldTruth) patch.truth = signal && remade.truth; // it is measured against
    const taken = ["signal", "truth"].filter((one) => state[one] && patch[one] === null);
    set(patch);
    if (taken.length) say("error", () => sentences(taken.map((one) => t(FORGOTTEN[one]))), { about: "signal" });
    if (!state.image) {
      refuse(forgotten());
      set({ run: { phase: "failed", problem: forgotten() } });
      return;
    }
  } catch (error) {
    if (error instanceof api.Unreachable) connection.lost();
    else if (error instanceof api.Problem) refuse(error);
    else throw error;
    return;
  } finally {
    recovering = false;
  }
  await run({ asked: true });
}
