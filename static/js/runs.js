// The runs of this visit, each with its figure: press one to have it back, or put it beside what is on show.

import { addGroup, go } from "./compare.js";
import { label, shownValue } from "./controls.js";
import { h, put } from "./dom.js";
import { fixed } from "./format.js";
import { t } from "./i18n.js";
import { bestOf, methodOf } from "./methods.js";
import { isError } from "./panels.js";
import { said } from "./said.js";
import { kindWords, nameOf } from "./signal.js";
import { on, set, state } from "./state.js";

const KEEP = 12;

/** @type {(result: object) => Promise<void>} */
let comeBack = async () => {};

/** `fn(result)` puts the page back to the run that gave `result`. */
export function start(fn) {
  comeBack = fn;
  on("result", () => state.result && keep(state.result));
}

const asked = ({ settings, from, signal }) => JSON.stringify([settings, from.id, signal?.id]);

/** A run that was asked for again takes its older self's place. */
function keep(result) {
  const others = state.runs.filter((one) => one.job !== result.job && asked(one) !== asked(result));
  if (state.runs.some((one) => one.job === result.job)) return; // somebody came back to it
  set({ runs: [result, ...others].slice(0, KEEP) });
}

const pictureName = ({ from }) => (from.sample ? said(from.name) : from.name);

const ALWAYS = new Set(["stride", "iters", "radius", "objective"]); // what every run's line has

/** What a run was asked for: beside what is always said, what is not as usual or not as in another run. */
function words({ settings, signal }) {
  const { stride, iters, radius, objective } = settings;
  const differ = ({ name, default: usual }) =>
    !ALWAYS.has(name) && state.runs.some((one) => one.settings[name] !== usual || one.settings[name] !== settings[name]);
  const others = state.info.settings.filter(differ).map(({ name }) => `${label(name)} ${shownValue(settings[name])}`);
  const brought = signal ? [`${nameOf(signal)} (${kindWords(signal.kind)})`] : [];
  return [t("runs.line", { stride, iters, radius, objective }), ...others, ...brought].join(" · ");
}

const figure = ({ metrics }) => {
  const { psnr } = metrics.rgb?.gsjbu ?? {};
  return typeof psnr === "number" ? `${fixed(psnr, 2)} dB` : "–";
};

/** The list, into the holder of the charts. */
export function drawRuns(holder) {
  put(
    holder,
    h(
      "ul",
      { class: "runs" },
      state.runs.map((one) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "back",
              data: { job: one.job },
              "aria-current": one.job === state.result?.job ? "true" : null,
              on: { click: () => comeBack(one) },
            },
            h("b", {}, pictureName(one)),
            h("span", { class: "figure" }, figure(one)),
            h("span", { class: "quiet" }, words(one)),
          ),
          h(
            "button",
            {
              type: "button",
              class: "icon",
              data: { beside: one.job },
              "aria-label": t("runs.beside", { run: words(one) }),
              title: t("runs.beside", { run: words(one) }),
              disabled: !comparable(one, state.result),
              on: { click: () => beside(one) },
            },
            "⇄",
          ),
        ),
      ),
    ),
  );
}

const sameSize = (a, b) => a.width === b.width && a.height === b.height;

/** A group's picture by what measured best for it: not a map of its errors. */
const main = (result, group) =>
  result.panels.find(
    (p) => p.group === group && methodOf(p.name) === bestOf(result, group) && !isError(p),
  ) ??
  result.panels.find((p) => p.name === "gsjbu_rgb");

const comparable = (one, other) =>
  Boolean(other) && one.job !== other.job && sameSize(one.image, other.image) && main(one, "rgb") && main(other, "rgb");

/** Two runs in the viewer: that one on the left, the one on show on the right. */
async function beside(one) {
  const { result, view } = state;
  const both = main(one, view.group)?.group === main(result, view.group)?.group;
  const group = both ? view.group : "rgb";
  addGroup(
    "runs",
    [one, result].map((run) => {
      // a name of its own: the values under the pointer are asked for by name, of the run on show
      return { ...main(run, group), group: "runs", name: `run_${run.job}`, title: words(run) };
    }),
  );
  await go("runs");
}
