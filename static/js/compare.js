// The comparison: which group and which two panels are on the stage, and the controls round the viewer.

import { byId, h, put } from "./dom.js";
import { t } from "./i18n.js";
import { methodClass, methodOf } from "./methods.js";
import { classWords, firstPair, groupTitle, groups, picture, sentence, steps, title } from "./panels.js";
import { drawStrip } from "./strip.js";
import { look, on, set, state } from "./state.js";
import { trouble } from "./trouble.js";
import * as api from "./api.js";

const viewer = () => byId("viewer");
const extra = new Map(); // groups that the page makes itself: name -> panels
let round = 0; // the newest request to show something
let wanted = {}; // what was chosen and is not on show yet: a part of the view

export function start() {
  viewer().addEventListener("gs-point", (event) =>
    set({ point: event.detail.x === undefined ? null : event.detail }),
  );
  viewer().addEventListener("gs-divider", (event) => look({ divider: event.detail.at }));
  viewer().addEventListener("gs-zoom", () => {
    byId("zoom-level").textContent = `${viewer().dataset.zoom.replace(/\.?0+$/, "")}×`;
  });
  byId("zoom-in").addEventListener("click", () => viewer().zoom(1.5));
  byId("zoom-out").addEventListener("click", () => viewer().zoom(1 / 1.5));
  byId("zoom-fit").addEventListener("click", () => viewer().fit());
  byId("swap").addEventListener("click", () => {
    const { left, right } = state.view;
    want({ left: right, right: left });
  });
  byId("tool").addEventListener("click", () => {
    const moving = viewer().tool === "move";
    viewer().set({ tool: moving ? "probe" : "move" });
    byId("tool").setAttribute("aria-pressed", String(!moving));
  });
  byId("layout").addEventListener("click", () => {
    look({ layout: state.view.layout === "side" ? "divider" : "side" });
    viewer().set({ layout: state.view.layout });
    marks();
  });
  byId("opacity").addEventListener("input", () => {
    look({ opacity: byId("opacity").valueAsNumber });
    viewer().set({ opacity: state.view.opacity / 100 });
    viewer().draw();
  });
  for (const side of ["left", "right"]) {
    byId(side).addEventListener("change", () => want({ [side]: byId(side).value }));
  }
  byId("tabs").addEventListener("keydown", tabKeys);
  on("view", marks);
  on("language", () => {
    viewer().words();
    showPair();
  });
  viewer().words();
}

function marks() {
  byId("layout").setAttribute("aria-pressed", String(state.view.layout === "side"));
  byId("opacity").value = state.view.opacity;
}

/** A group that the page makes itself (similarity maps); null takes it away. */
export function addGroup(name, panels) {
  if (panels) extra.set(name, panels);
  else extra.delete(name);
}

/** All groups that can be shown now. */
export function allGroups(result = state.result) {
  const out = groups(result);
  for (const [name, panels] of extra) out.set(name, panels);
  return out;
}

/** Which group and pair of `result` to show: the same as now where it has them. */
function choose(result) {
  const all = allGroups(result);
  const view = { ...state.view, ...wanted };
  const group = all.has(view.group) ? view.group : all.keys().next().value;
  const panels = all.get(group);
  const [first, second] = firstPair(panels);
  const find = (name, otherwise) => panels.find((p) => p.name === name) ?? otherwise;
  return { group, panels, left: find(view.left, first), right: find(view.right, second) };
}

async function load(result, chosen) {
  const under = chosen.group === "segmentation" ? result.panels.find((p) => p.name === "original") : null;
  const [left, right, below] = await Promise.all([
    picture(chosen.left, result.job),
    picture(chosen.right, result.job),
    under && picture(under, result.job),
  ]);
  const pane = (panel, image) => ({
    panel,
    picture: image,
    step: steps(panel, result.image, result.settings),
    title: title(panel),
    colour: methodClass(methodOf(panel.name)),
  });
  return { image: result.image, left: pane(chosen.left, left), right: pane(chosen.right, right), under: below };
}

/**
 * Load what `result` would show, then hand over a function that puts it on the page at once. It does so, and says
 * true, unless something else has been asked for since.
 */
export async function prepare(result) {
  const mine = ++round;
  const chosen = choose(result);
  let pair;
  try {
    pair = await load(result, chosen);
  } catch (error) {
    if (mine === round) stay();
    throw error instanceof DOMException ? await missing(result) : error;
  }
  return () => {
    if (mine !== round) return false;
    wanted = {};
    place(chosen, pair, result);
    return true;
  };
}

/** Show the pair that the view names, of the present result. */
export async function showPair() {
  if (!state.result) return;
  try {
    const { result } = state;
    (await prepare(result))();
  } catch (error) {
    await trouble(error);
  }
}

/** Show another part of the view; tabs, lists and address follow once its pictures are there. */
async function want(patch) {
  wanted = { ...wanted, ...patch };
  await showPair();
}

/** What was chosen cannot be shown: the view stays, and lists and focus say so. */
function stay() {
  wanted = {};
  for (const side of ["left", "right"]) byId(side).value = state.view[side];
  if (byId("tabs").contains(document.activeElement)) byId(`tab-${state.view.group}`)?.focus();
}

/** Why a picture did not come: the server is away, or has forgotten the run, or the picture itself is at fault. */
async function missing(result) {
  try {
    await api.readJob(result.job);
  } catch (error) {
    return error;
  }
  return Object.assign(new api.Problem(0, { code: "panel" }), { words: () => t("error.panel") });
}

/** Similarity maps stand side by side; who leaves them has the layout from before again. */
function layoutOf(group) {
  const { layout, before } = state.view;
  if (group === "similarity") return before ? { layout, before } : { layout: "side", before: layout };
  return { layout: before ?? layout, before: null };
}

function place(chosen, pair, result) {
  const { layout, before } = layoutOf(chosen.group);
  viewer().set({ divider: state.view.divider, layout, opacity: state.view.opacity / 100 });
  viewer().show(pair);
  look({ group: chosen.group, left: chosen.left.name, right: chosen.right.name, layout, before });
  tabs([...allGroups(result).keys()], chosen.group);
  for (const side of ["left", "right"]) {
    put(
      byId(side),
      chosen.panels.map((p) => h("option", { value: p.name }, title(p))),
    );
    byId(side).value = chosen[side].name;
  }
  byId("opacity-row").hidden = chosen.group !== "segmentation";
  caption(chosen);
  legend(chosen);
  drawStrip(chosen, result.job, (side, name) => want({ [side]: name }));
}

function caption({ left, right }) {
  const said = [right, left].map(sentence).find(Boolean) ?? "";
  byId("caption").textContent = said;
  byId("caption").title = said; // where the line is cut short
}

function legend({ left, right }) {
  const entries = right.legend ?? left.legend;
  byId("legend").hidden = !entries;
  if (!entries) return;
  put(
    byId("legend"),
    entries.map((one) =>
      h(
        "li",
        {},
        h("span", { class: "chip", style: { backgroundColor: colour(one.colour) } }),
        classWords(one),
        one.share !== undefined && h("span", { class: "quiet" }, ` ${(one.share * 100).toFixed(1)} %`),
      ),
    ),
  );
}

const colour = (value) => (Array.isArray(value) ? `rgb(${value.join(" ")})` : value);

function tabs(names, present) {
  put(
    byId("tabs"),
    names.map((name) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${name}`,
          "aria-selected": String(name === present),
          "aria-controls": "panel",
          tabindex: name === present ? 0 : -1,
          on: { click: () => go(name) },
        },
        groupTitle(name),
      ),
    ),
  );
  byId("panel").setAttribute("aria-labelledby", `tab-${present}`);
}

/** What is shown next shows `group`. */
export function next(group) {
  wanted = { ...wanted, group, left: null, right: null };
}

/** Show another group. */
export async function go(group) {
  const focused = document.activeElement?.getAttribute("role") === "tab";
  await want({ group, left: null, right: null });
  if (focused) byId(`tab-${state.view.group}`)?.focus();
}

function tabKeys(event) {
  const all = [...byId("tabs").children];
  const at = all.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  all[(to + all.length) % all.length].click();
}
