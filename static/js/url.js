// The address carries every setting, the picture and the view, so that a copied link shows the same thing.

import { isLanguage, language } from "./i18n.js";
import { byId, debounce } from "./dom.js";
import { isGroup } from "./panels.js";
import { on, state } from "./state.js";
import { MOST_ZOOM } from "./viewport.js";

/** What of the view is text in the address. */
export const VIEW = ["group", "left", "right", "third", "fourth", "layout"];
const LAYOUTS = new Set(["divider", "side", "grid", "difference"]);
let last = ""; // which picture, signal and tab the newest entry of the history is of
let returning = false; // to an entry of the history
let here = location.search; // of the newest entry that was read or written

/** What the address asks for: {settings, sample, image, signal, truth, view, point, place}; values are checked against the schema. Which panels there are is known with the result. */
export function read(schema) {
  const asked = new URLSearchParams(location.search);
  const settings = {};
  const refused = [];
  for (const name of new Set(asked.keys())) {
    const raws = asked.getAll(name);
    if (raws.length === 1) continue;
    refused.push({ name, raw: raws.join(", ") }); // which is meant?
    asked.delete(name);
  }
  for (const setting of schema) {
    if (!asked.has(setting.name)) continue;
    const value = parse(setting, asked.get(setting.name));
    if (value === undefined) refused.push({ name: setting.name, raw: asked.get(setting.name) });
    else settings[setting.name] = value;
  }
  /** What `take` makes of the text; where that is nothing it is refused. */
  const taken = (name, take) => {
    if (!asked.has(name)) return undefined;
    const value = take(asked.get(name)) ?? undefined;
    if (value === undefined) refused.push({ name, raw: asked.get(name) });
    return value;
  };
  const view = { ellipses: taken("ellipses", saidTrue) ?? false };
  const known = { group: isGroup, layout: (one) => LAYOUTS.has(one) };
  for (const name of VIEW) {
    const value = taken(name, (raw) => ((known[name] ?? Boolean)(raw) ? raw : null));
    if (value !== undefined) view[name] = value;
  }
  const divider = taken("divider", (raw) => numbers(raw, 1)?.find((at) => at <= 100));
  if (divider !== undefined) view.divider = divider;
  const [x, y] = taken("point", (raw) => numbers(raw, 2, Number.isInteger)) ?? [];
  const point = x === undefined ? null : { x, y };
  const place = taken("place", (raw) => placeOf(numbers(raw, 3))) ?? null;
  taken("lang", (raw) => (isLanguage(raw) ? raw : null)); // the page is in it before the address is read
  const [image, signal, truth] = ["image", "signal", "truth"].map((name) => taken(name, (raw) => raw || null) ?? null);
  const sample = taken("sample", (raw) => (raw && !image ? raw : null)) ?? null; // there is one picture
  return { settings, refused, view, point, place, sample, image, signal, truth };
}

/** A zoom, and what is in the middle as shares of the picture; null where there is no such place. */
function placeOf(numbers) {
  const [zoom, ...middle] = numbers ?? [];
  return zoom >= 1 / MOST_ZOOM - 1e-4 && zoom <= MOST_ZOOM && middle.every((share) => share <= 1) ? numbers : null;
}

/** So many numbers from 0 up, apart by commas, or null. */
function numbers(text, count, are = Number.isFinite) {
  const all = text.split(",").map((one) => (one ? Number(one) : NaN));
  return all.length === count && all.every((one) => one >= 0 && are(one)) ? all : null;
}

/** What a word for true or false says, as for the command line and the API; undefined: it is none. */
function saidTrue(text) {
  const word = String(text).trim().toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  return ["false", "0", "no", "off"].includes(word) ? false : undefined;
}

/** A setting's value from text, or undefined where it would be refused. */
export function parse(setting, raw) {
  if (setting.kind === "bool") return saidTrue(raw);
  if (setting.kind === "choice") return setting.choices.some((c) => c.value === raw && c.available !== false) ? raw : undefined;
  const value = raw.trim() === "" ? NaN : Number(raw);
  if (!Number.isInteger(value)) return undefined;
  return value >= setting.low && value <= setting.high ? value : undefined;
}

/** A value as text: as the command line, the API and addresses take it. */
export const onOff = (value) => ({ true: "on", false: "off" })[String(value)] ?? String(value);

export function search() {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(state.settings)) out.set(name, onOff(value));
  if (state.image?.sample) out.set("sample", state.image.sample);
  else if (state.image) out.set("image", state.image.id);
  if (state.signal) out.set("signal", state.signal.id);
  if (state.truth) out.set("truth", state.truth.id);
  const view = { ...state.view, layout: state.view.before ?? state.view.layout }; // the maps' own layout is not chosen
  for (const name of VIEW) if (view[name]) out.set(name, view[name]);
  out.set("divider", String(Math.round(state.view.divider)));
  if (view.ellipses) out.set("ellipses", onOff(true));
  if (state.point) out.set("point", `${state.point.x},${state.point.y}`);
  const { place } = byId("viewer");
  if (place) out.set("place", place.map((one) => Number(one.toFixed(4))).join());
  out.set("lang", language());
  return `?${out}`;
}

/** Which picture, signal and tab are chosen: one that is sent again has another number, and is the same. */
function chosen() {
  const { image, signal, view } = state;
  return image ? [number(image), number(signal), view.turns].join() : "";
}

const numbered = new Map(); // what was chosen -> a number of its own
function number(one) {
  const own = one && (one.sample ?? one.blob ?? one.made ?? one.id);
  if (!numbered.has(own)) numbered.set(own, numbered.size);
  return numbered.get(own);
}

/**
 * Put the present state into the address (browsers allow only so many changes a second). Another picture, signal or tab
 * is another entry of the history, to which Back leads.
 */
export const write = debounce(() => {
  if (returning) return;
  const now = chosen();
  const is = last && now !== last ? "pushState" : "replaceState";
  last = now;
  history[is](null, "", search());
  here = location.search;
}, 250);

/** `back(address)` shows what an older entry of the history asks for. */
export function start(back) {
  on(["settings", "image", "signal", "truth", "view", "point", "language"], write);
  byId("viewer").addEventListener("gs-zoom", () => search() !== location.search && write());
  addEventListener("popstate", async () => {
    if (location.search === here) return; // a link within the page
    here = location.search;
    returning = true;
    try {
      await back(read(state.info.settings));
    } finally {
      returning = false;
      last = chosen();
      write();
    }
  });
}
