// The address carries every setting, the picture and the view, so that a copied link shows the same thing.

import { language } from "./i18n.js";
import { byId, debounce } from "./dom.js";
import { on, state } from "./state.js";

const VIEW = ["group", "left", "right", "third", "fourth", "layout"];

/** What the address asks for: {settings, sample, image, signal, truth, lang, view, point, place}; values are checked against the schema. */
export function read(schema, search = location.search) {
  const asked = new URLSearchParams(search);
  const settings = {};
  const refused = [];
  for (const setting of schema) {
    if (!asked.has(setting.name)) continue;
    const value = parse(setting, asked.get(setting.name));
    if (value === undefined) refused.push({ setting, raw: asked.get(setting.name) });
    else settings[setting.name] = value;
  }
  const view = { ellipses: saidTrue(asked.get("ellipses")) ?? false };
  for (const name of VIEW) if (asked.has(name)) view[name] = asked.get(name);
  if (asked.has("divider")) {
    const at = Number(asked.get("divider"));
    if (at >= 0 && at <= 100) view.divider = at;
  }
  const [sample, image, signal, truth, lang] = ["sample", "image", "signal", "truth", "lang"].map((name) =>
    asked.get(name),
  );
  const [x, y] = numbers(asked.get("point"), 2) ?? [];
  const point = Number.isInteger(x) && Number.isInteger(y) ? { x, y } : null;
  return { settings, refused, view, point, place: numbers(asked.get("place"), 3), sample, image, signal, truth, lang };
}

/** So many numbers from 0 up, apart by commas, or null. */
function numbers(text, count) {
  const all = (text ?? "").split(",").map((one) => (one ? Number(one) : NaN));
  return all.length === count && all.every((one) => one >= 0) ? all : null;
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
  if (setting.kind === "int" && !Number.isInteger(value)) return undefined;
  return value >= setting.low && value <= setting.high ? value : undefined;
}

export function search() {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(state.settings)) out.set(name, String(value));
  if (state.image?.sample) out.set("sample", state.image.sample);
  else if (state.image) out.set("image", state.image.id);
  if (state.signal) out.set("signal", state.signal.id);
  if (state.truth) out.set("truth", state.truth.id);
  const view = { ...state.view, layout: state.view.before ?? state.view.layout }; // the maps' own layout is not chosen
  for (const name of VIEW) if (view[name]) out.set(name, view[name]);
  out.set("divider", String(Math.round(state.view.divider)));
  if (view.ellipses) out.set("ellipses", "true");
  if (state.point) out.set("point", `${state.point.x},${state.point.y}`);
  const { place } = byId("viewer");
  if (place) out.set("place", place.map((one) => Number(one.toFixed(4))).join());
  out.set("lang", language());
  return `?${out}`;
}

/** Put the present state into the address (browsers allow only so many changes a second). */
export const write = debounce(() => history.replaceState(null, "", search()), 250);

export function start() {
  on(["settings", "image", "signal", "truth", "view", "point", "language"], write);
  byId("viewer").addEventListener("gs-zoom", () => search() !== location.search && write());
}
