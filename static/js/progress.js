// The Run and Cancel buttons, the bar, and what is being done, spoken at each new stage.

import { byId, put, h } from "./dom.js";
import { fixed, number, seconds } from "./format.js";
import { sentences, t } from "./i18n.js";
import { announce, told } from "./notice.js";
import { said } from "./said.js";
import { on, state } from "./state.js";
import { cancel, run } from "./runner.js";

const AFTER = 200; // ms: a run shorter than this ends before its bar would be more than a flash

let shown = false;
let timer = 0;
let stage = null;

export function start() {
  byId("run").addEventListener("click", () => run({ asked: true }));
  byId("cancel").addEventListener("click", () => {
    cancel();
    announce(ended(t("run.cancelled")));
    byId("run").focus();
  });
  on(["run", "sending", "online", "language"], draw);
}

const STAGES = {
  decode: "stage.decode",
  reduce: "stage.reduce",
  grid: "stage.grid",
  fit: "stage.fit",
  render: "stage.render",
  rgb: "stage.rgb",
  backbone: "stage.backbone",
  features: "stage.features",
  segmentation: "stage.segmentation",
  signal: "stage.signal",
  panels: "stage.panels",
  png: "stage.pictures",
  total: "stage.total",
};

/** What a stage is called; one that this page does not know is called as the server says. */
export const stageWords = (name) => (STAGES[name] ? t(STAGES[name]) : said(name));

function draw() {
  const { phase, progress, busy } = state.run;
  const running = phase === "running";
  byId("cancel").disabled = !running;
  document.body.dataset.phase = phase;
  if (running && !timer && !shown) {
    timer = setTimeout(() => {
      shown = true;
      timer = 0;
      draw();
    }, AFTER);
  }
  if (!running) {
    clearTimeout(timer);
    timer = 0;
    shown = false;
    stage = null;
  }
  byId("progress").classList.toggle("on", shown);
  const bar = byId("bar");
  const share = progress?.share ?? 0;
  bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  bar.firstElementChild.style.transform = `scaleX(${share})`;
  put(byId("stage"), ...words(phase, progress));
  const now = busy ? "busy" : progress?.stage;
  if (shown && now && now !== stage) {
    stage = now;
    announce(busy ? t("run.busy") : stageWords(stage));
  }
}

/** The words key of what a run that is not computed yet waits for. */
function waits() {
  if (state.run.busy) return "run.busy";
  return state.run.queued ? "run.queued" : "run.starting";
}

/** What is said of a run without a result, and that the one on show is an older one. */
const ended = (said) => (state.result ? sentences([said, t("run.stays")]) : said);

function words(phase, progress) {
  const [newest] = state.sending.slice(-1);
  if (newest) return [h("b", {}, t(state.online ? "picture.sending" : "picture.unsent", newest))];
  if (phase === "cancelled") return [ended(t("run.cancelled"))];
  if (phase === "waiting") return [t("run.waiting")];
  if (phase === "failed") return [ended(t("run.failed", { why: told(state.run.problem) }))];
  if (!shown) return [];
  if (!state.online) return [t("offline.short")];
  if (!progress) return [t(waits())];
  const parts = [h("b", {}, `${fixed(progress.share * 100, 0)} %`), ` ${stageWords(progress.stage)}`];
  if (progress.steps > 1) parts.push(` ${progress.step}/${progress.steps}`);
  if (typeof progress.loss === "number") parts.push(` · ${t("run.loss", { loss: number(progress.loss) })}`);
  if (progress.eta_s > 0.5) parts.push(` · ${t("run.left", { time: seconds(progress.eta_s) })}`);
  return parts;
}
