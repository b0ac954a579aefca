// What a screen reader hears of what the eye sees by itself: a run's end with its verdict, the chosen pixel, the region.
// Each is told once it rests: not every run of a slider that moves, nor every pixel that arrow keys pass.

import { byId, debounce } from "./dom.js";
import { list, sentences, t } from "./i18n.js";
import { announce } from "./notice.js";
import { on, state } from "./state.js";

const QUIET = 600; // ms; what is asked of the server about a place has come by then

const due = new Set(); // of result, point and region

export function start() {
  let before = state.result;
  on("result", () => {
    if (before && state.result) soon("result"); // the first is there with the page
    before = state.result ?? before;
  });
  on("point", () => soon("point"));
  on("region", () => soon("region"));
}

function soon(what) {
  due.add(what);
  speak();
}

const speak = debounce(() => {
  const places = [due.has("point") && pixel(), due.has("region") && region()].filter(Boolean);
  const said = sentences([due.has("result") && ended(), apart(places)]);
  due.clear();
  if (said) announce(said);
}, QUIET);

const text = (id) => byId(id).textContent;
const named = (what, all) => t("list.of", { what, all });
const apart = (all) => all.join(t("list.semicolon"));

function ended() {
  return state.run.phase === "idle" ? sentences([t("run.done"), text("verdict")]) : "";
}

function pixel() {
  if (!state.point || byId("pixel").hidden) return "";
  const { panes } = byId("viewer");
  const { x, y } = byId("readout").dataset;
  const isIts = Number(x) === state.point.x && Number(y) === state.point.y;
  const values = isIts ? [...byId("readout").querySelectorAll(".value")] : [];
  const told = (one) => named(panes[one.dataset.side].title, one.querySelector(".numbers").textContent);
  return sentences([text("pixel-line"), apart(values.map(told))]);
}

function region() {
  if (!state.region || byId("region-told").hidden) return "";
  const heads = [t("region.mean"), t("region.std")];
  const rows = [...byId("region-table").querySelectorAll("tbody tr")].filter(({ dataset }) =>
    [state.view.left, state.view.right].includes(dataset.panel),
  );
  const told = (row) => {
    const cells = [...row.querySelectorAll("td")].map((one) => one.textContent);
    return cells.length === 1 ? cells[0] : list(cells.map((cell, i) => `${heads[i]} ${cell}`));
  };
  return apart([text("region-line"), ...rows.map((row) => named(row.querySelector("th").textContent, told(row)))]);
}
