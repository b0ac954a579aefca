// A low-resolution signal that a person brings beside the picture: depth, labels, probabilities, features.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { hush } from "./notice.js";
import { sending } from "./sending.js";
import { on, set, state } from "./state.js";
import { trouble } from "./trouble.js";

let changed = async () => {};
let turn = 0; // number of the newest choice; an older answer is not taken

export const isSignalFile = (file) => /\.np[yz]$/i.test(file.name);

export function start(whenChanged) {
  changed = whenChanged;
  const picker = byId("signal-file");
  byId("signal-open").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    if (picker.files[0]) takeSignal(picker.files[0]);
    picker.value = "";
  });
  byId("signal-drop").addEventListener("click", async () => {
    turn++;
    set({ signal: null });
    byId("signal-open").focus();
    await changed();
  });
  on(["signal", "language"], draw);
}

function draw() {
  const { signal } = state;
  byId("signal-now").hidden = !signal;
  byId("signal-open").hidden = Boolean(signal);
  if (!signal) return;
  byId("signal-name").textContent = signal.name;
  byId("signal-shape").textContent = `${signal.shape.join(" × ")} · ${t(KINDS[signal.kind] ?? "signal.kind.other")}`;
  byId("signal-name").title = signal.note ?? "";
}

const KINDS = {
  depth: "signal.kind.depth",
  labels: "signal.kind.labels",
  probabilities: "signal.kind.probabilities",
  features: "signal.kind.features",
};

export async function takeSignal(file) {
  const mine = ++turn;
  try {
    const { signal_id: id, shape, kind, note } = await sending(file.name, api.sendSignal(file));
    if (mine !== turn) return;
    hush("refusal");
    hush("signal");
    set({ signal: { id, shape, kind, note, name: file.name, blob: file } });
    await changed();
  } catch (error) {
    await trouble(error);
  }
}

/** Put on a signal that the server still holds, from the address; false if it holds it no longer. */
export async function takeKnown(id) {
  const mine = ++turn;
  try {
    const { shape, kind, name, note } = await api.readSignal(id);
    if (mine !== turn) return true;
    set({ signal: { id, shape, kind, note, name } });
    await changed();
    return true;
  } catch (error) {
    if (!(error instanceof api.Problem)) throw error;
    return mine !== turn; // one that was brought meanwhile stays
  }
}
