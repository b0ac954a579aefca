// A low-resolution signal that a person brings beside the picture: depth, labels, probabilities, features.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { hush } from "./notice.js";
import { trouble } from "./runner.js";
import { on, set, state } from "./state.js";

let changed = async () => {};

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
    set({ signal: null });
    byId("signal-open").focus();
    await changed();
  });
  on("signal", draw);
}

export function draw() {
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
  try {
    const { signal_id: id, shape, kind, note } = await api.sendSignal(file);
    hush("refusal");
    set({ signal: { id, shape, kind, note, name: file.name, blob: file } });
    await changed();
  } catch (error) {
    await trouble(error);
  }
}
