// The comparison: which group and which of its panels are on the stage.

import { withoutHidden } from "./classes.js";
import { byId, h, put } from "./dom.js";
import { t } from "./i18n.js";
import { drawLegend } from "./legend.js";
import { bestOf, colourOf, methodOf, methodsOf, mixedGroup } from "./methods.js";
import { firstPair, groupTitle, groups, inherit, isError, nameIn, picture, sentence, steps, title } from "./panels.js";
import { drawStrip } from "./strip.js";
import { SIDES } from "./viewer.js";
import { look, on, set, state } from "./state.js";
import { drawTabs, tabKeys } from "./tabs.js";
import { trouble } from "./trouble.js";
import { valuesOver } from "./values.js";
import * as api from "./api.js";

export const FITS = { image: "fit.image", signal: "fit.signal" };

const viewer = byId("viewer");
const extra = new Map(); // groups that the page makes itself: name -> panels
let round = 0; // the newest request to show something
let wanted = {}; // what was chosen and is not on show yet: a part of the view
let early = null; // {job, panels} of a run that goes on, whose pictures are on show

export function start() {
  viewer.addEventListener("gs-point", (event) =>
    set({ point: event.detail.x === undefined ? null : event.detail }),
  );
  viewer.addEventListener("gs-divider", (event) => look({ divider: event.detail.at }));
  byId("tabs").addEventListener("keydown", tabKeys);
  on("result", () => state.result || clear());
  on("run", () => early && state.run.phase !== "running" && state.run.phase !== "idle" && showPair());
  on("language", () => {
    viewer.words();
    showPair();
  });
  viewer.words();
}

/** Nothing is on show: the picture that is chosen has no result. */
function clear() {
  wanted = {};
  early = null;
  for (const id of ["tabs", "strip", "caption"]) put(byId(id));
  for (const id of ["opacity-row", "legend"]) byId(id).hidden = true;
  byId("panel").removeAttribute("aria-labelledby");
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

/** The panel on the right, where the group on show has it. */
export const rightPanel = () => allGroups().get(state.view.group)?.find((p) => p.name === state.view.right);

/** By which of the result's methods the right panel was mixed: {group, method}; the kernels' own panels are of one fit. */
export function mixedNow() {
  const { result, view } = state;
  const all = methodsOf(result, view.group);
  if (!all.length) return { group: result.fitted_to === "signal" ? "signal" : "rgb", method: "gsjbu" };
  const method = methodOf(view.right ?? "");
  return { group: mixedGroup(view.group), method: all.some((one) => one.id === method) ? method : bestOf(result, view.group) };
}

/** What a panel of the result on show is called among those of its group. */
export const calledNow = (panel) => nameIn(panel, allGroups().get(panel.group) ?? [], state.result);

/** Which group and pair of `result` to show: the same as now where it has them. */
function choose(result) {
  const all = allGroups(result);
  const view = { ...state.view, ...wanted };
  const group = all.has(view.group) ? view.group : all.keys().next().value;
  const panels = all.get(group);
  const [first, second] = firstPair(panels, bestOf(result, group));
  const find = (name, otherwise) => panels.find((p) => p.name === name) ?? otherwise;
  const { layout, before } = layoutOf(group, view);
  const chosen = { group, panels, layout, before, left: find(view.left, first), right: find(view.right, second) };
  return layout === "grid" ? { ...chosen, ...further(chosen, view) } : chosen;
}

/** The grid's third and fourth panel: those chosen before, or the first that are not shown yet; errors come last. */
function further({ panels, left, right }, view) {
  const out = {};
  const ordered = [...panels].sort((a, b) => Number(isError(a)) - Number(isError(b)));
  for (const side of ["third", "fourth"]) {
    const shown = [left, right, out.third];
    const panel = panels.find((p) => p.name === view[side]) ?? ordered.find((p) => !shown.includes(p));
    if (panel) out[side] = panel;
  }
  return out;
}

/** Classes lie over the photo, as strongly as the person likes. */
const overPhoto = ({ group, left, right }) => group === "segmentation" || Boolean(left.legend && right.legend);

/** A panel's picture, and what of it is drawn. */
async function drawing(panel, result) {
  const whole = await picture(panel, result.job);
  return { picture: whole, drawn: withoutHidden(panel, whole) };
}

/** Whether two panels are numbers in one unit. */
const haveOneScale = ({ left, right }) => Boolean(left.bar && right.bar) && left.bar.unit === right.bar.unit;

async function load(result, chosen) {
  const byValue = chosen.layout === "difference" && haveOneScale(chosen);
  const under = overPhoto(chosen) ? result.panels.find((p) => p.name === "original") : null;
  const pane = async (panel) => {
    const [drawn, value] = await Promise.all([drawing(panel, result), byValue ? valuesOver(panel, result) : null]);
    return {
      panel,
      ...drawn,
      value,
      step: steps(panel, result.image, result.settings),
      title: nameIn(panel, chosen.panels, result),
      colour: colourOf(result, panel),
    };
  };
  const sides = SIDES.filter((side) => chosen[side]);
  const [below, ...panes] = await Promise.all([
    under && picture(under, result.job),
    ...sides.map((side) => pane(chosen[side])),
  ]);
  return { image: result.image, under: below, ...Object.fromEntries(sides.map((side, i) => [side, panes[i]])) };
}

/**
 * Load what `result` would show, then hand over a function that puts it on the page at once. It does so, and says
 * true, unless something else has been asked for since.
 */
export async function prepare(result) {
  const mine = ++round;
  if (early?.job === result.job) inherit(result.panels, early.panels);
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
    early = null;
    place(chosen, pair, result);
    return true;
  };
}

/** The pictures `panels` of run `job` on the image `from`, which goes on: they take the places of those on show. */
export async function showEarly({ job, from, panels }) {
  const { result, view } = state;
  if (result?.from !== from || view.layout === "grid" || Object.keys(wanted).length) return;
  const [left, right] = ["left", "right"].map((side) => panels.find(({ name }) => name === view[side]));
  const whole = (panel) => panel?.width === result.image.width && panel.height === result.image.height;
  if (!whole(left) || !whole(right)) return;
  const mine = round;
  try {
    const chosen = { group: view.group, left, right, panels: panels.filter((p) => p.group === view.group) };
    const pair = await load({ ...result, job, panels }, chosen);
    if (mine !== round || state.run.job !== job || state.run.phase !== "running") return;
    early = { job, panels };
    viewer.show(pair);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // a picture did not come; the result will, or say why not
  }
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
export async function want(patch) {
  wanted = { ...wanted, ...patch };
  await showPair();
}

/** What was chosen cannot be shown: the view stays, and lists and focus say so. */
function stay() {
  wanted = {};
  for (const side of SIDES) byId(side).value = state.view[side];
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
function layoutOf(group, { layout, before }) {
  if (group === "similarity") return before ? { layout, before } : { layout: "side", before: layout };
  return { layout: before ?? layout, before: null };
}

function place(chosen, pair, result) {
  const { layout, before } = chosen;
  viewer.set({ divider: state.view.divider, layout, opacity: state.view.opacity / 100 });
  viewer.show(pair);
  const names = Object.fromEntries(SIDES.filter((side) => chosen[side]).map((side) => [side, chosen[side].name]));
  look({ group: chosen.group, ...names, layout, before });
  tabs([...allGroups(result).keys()], chosen.group);
  for (const side of SIDES) {
    byId(side).parentElement.hidden = !chosen[side];
    if (!chosen[side]) continue;
    put(
      byId(side),
      chosen.panels.map((p) => h("option", { value: p.name, title: title(p) }, nameIn(p, chosen.panels, result))),
    );
    byId(side).value = chosen[side].name;
    byId(side).title = title(chosen[side]);
  }
  byId("opacity-row").hidden = !overPhoto(chosen);
  caption(chosen);
  drawLegend(chosen, showPair);
  drawStrip(chosen, result, (side, name) => want({ [side]: name }));
}

function caption({ left, right }) {
  const words = [right, left].map(sentence).find(Boolean) ?? "";
  const said = right.group === "kernel" ? `${words} ${t(FITS[state.result.fitted_to])}` : words;
  byId("caption").textContent = said;
  byId("caption").title = said; // where the line is cut short
}

function tabs(names, present) {
  drawTabs(byId("tabs"), byId("panel"), "tab", names.map((name) => [name, groupTitle(name)]), present, go);
}

/** The part of a view that shows a group by the panels that it shows first. */
export const whole = (group) => ({ group, left: null, right: null, third: null, fourth: null });

/** What is shown next is this part of a view. */
export function next(patch) {
  wanted = { ...wanted, ...patch };
}

/** Show another group. */
export async function go(group) {
  const focused = document.activeElement?.getAttribute("role") === "tab";
  const from = state.view.group;
  await want(whole(group));
  if (state.view.group !== from) look({ turns: state.view.turns + 1 });
  if (focused) byId(`tab-${state.view.group}`)?.focus();
}
