// How long a run will take, and the one change that would help most.

import { look } from "./connection.js";
import { button, byId, h, put } from "./dom.js";
import { about, bytes } from "./format.js";
import { label, shownValue, take } from "./controls.js";
import { t } from "./i18n.js";
import { inWords } from "./said.js";
import { on, state } from "./state.js";
import { run } from "./runner.js";

export function start() {
  on(["estimate", "run", "warm", "language"], draw);
  on("result", () => state.warm || look());
}

function draw() {
  const { estimate, run: now } = state;
  const { seconds, bytes: memory, advice, download } = estimate ?? {};
  put(
    byId("estimate"),
    estimate && t("run.estimate", { time: about(seconds), memory: bytes(memory) }),
    download && h("span", {}, " ", inWords(download)),
  );
  byId("cold").hidden = !estimate || state.warm;
  const [first] = now.phase === "waiting" ? [...(advice ?? [])].sort((a, b) => a.seconds - b.seconds) : [];
  put(byId("advice"), first && lowering(first));
}

function lowering({ setting, value, seconds }) {
  const follow = () => {
    take(setting, value);
    run({ asked: true }); // they have seen how long it takes
  };
  const words = { setting: label(setting), value: shownValue(value), time: about(seconds) };
  return button({ class: "advice" }, follow, t("advice.lower", words));
}
