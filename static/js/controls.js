// Controls built from the server's schema: a slider with its number, a list, a switch; each with its sentence.

import { button, byId, h, put } from "./dom.js";
import { t } from "./i18n.js";
import { inWords, said } from "./said.js";
import { on, set, state } from "./state.js";
import { say, hush } from "./notice.js";
import { parse } from "./url.js";

const MORE = new Set(["features", "seed", "seg_resolution", "seg_input"]); // folded away at first
const ACCELERATORS = ["cuda", "mps"];

const setting = (name) => state.info.settings.find((one) => one.name === name);
export const label = (name) => said(setting(name)?.label ?? name);

/** A setting's value in words. */
export function shownValue(value) {
  return typeof value === "boolean" ? t(value ? "controls.on" : "controls.off") : String(value);
}

const sentence = (one) => said(one.sentence);
const choiceWords = (choice) => said(choice.label);
/** One of a setting's choices in words. */
export function shownChoice(name, value) {
  const choice = setting(name).choices.find((one) => one.value === value);
  return choice ? choiceWords(choice) : value;
}

/** A setting's value in words, a choice by its name. */
export const shownSetting = (name, value) =>
  setting(name)?.kind === "choice" ? shownChoice(name, value) : shownValue(value);

/** Where a slider stops: every whole number in a short range, round numbers in a long one. */
export function stops({ low, high, default: usual }) {
  if (high - low <= 100) return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const out = new Set([low, high, usual]);
  for (let ten = 1; ten <= high; ten *= 10) {
    for (const part of [1, 1.5, 2, 3, 4, 5, 6, 8]) out.add(Math.round(part * ten));
  }
  for (let two = 32; two <= high; two *= 2) if (low >= 32) out.add(two).add(two * 1.5);
  return [...out]
    .filter((v) => v >= low && v <= high && (low < 32 || v % 32 === 0 || v === usual))
    .sort((a, b) => a - b);
}

const nearest = (list, value) =>
  list.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(list[best] - value) ? i : best), 0);

let shows = []; // one for each control: make it show the present value

/** Build all controls. `change(name, value, settled)` takes a new value; settled is false while a slider is held. */
export function start(change) {
  build(change);
  on("language", () => build(change));
  on(["settings", "signal"], show); // what a setting does may depend on the others, and on a signal
}

function build(change) {
  const main = [];
  const more = [];
  shows = [];
  for (const one of state.info.settings) (MORE.has(one.name) ? more : main).push(row(one, change));
  put(byId("controls-main"), main, absent());
  put(byId("controls-more"), more);
  show();
}

/** Why choices are marked as not here, one by one. */
function absent() {
  const lists = state.info.settings.filter((one) => one.kind === "choice" && one.name !== "device");
  const missing = lists.flatMap((one) => one.choices.filter((choice) => !choice.available));
  return (
    missing.length > 0 &&
    h(
      "details",
      { class: "absent" },
      h("summary", {}, t("controls.absent")),
      h(
        "dl",
        {},
        missing.flatMap((choice) => [
          h("dt", {}, choiceWords(choice)),
          h("dd", { class: "why" }, inWords(choice.reason)),
        ]),
      ),
    )
  );
}

/** Make every control show the present values. */
function show() {
  for (const one of shows) one();
}

function row(one, change) {
  const id = `setting-${one.name}`;
  const help = h("p", { class: "help", id: `${id}-help`, hidden: true }, sentence(one));
  const unfold = () => {
    help.hidden = !help.hidden;
    ask.setAttribute("aria-expanded", String(!help.hidden));
  };
  const ask = button(
    {
      class: "ask",
      "aria-expanded": "false",
      "aria-controls": help.id,
      "aria-label": t("controls.about", { setting: one.name === "device" ? t("controls.gpu") : label(one.name) }),
      title: sentence(one),
    },
    unfold,
    "?",
  );
  const make = one.name === "device" ? gpu : ({ bool: toggle, choice: list }[one.kind] ?? slider);
  const made = h("div", { class: `setting ${one.kind}`, data: { setting: one.name } }, make(one, id, ask, change), help);
  if (!one.remarks.length) return made;
  const why = h("p", { class: "why", id: `${id}-why`, hidden: true });
  help.before(why);
  const inputs = made.querySelectorAll("input, select");
  made.querySelector(`#${id}`).setAttribute("aria-describedby", `${help.id} ${why.id}`);
  shows.push(() => remark(one, why, inputs));
  return made;
}

const line = (id, words, ask, control) =>
  h("div", { class: "line" }, h("label", { for: id }, words), ask, control);

const numberError = ({ name, low, high, unit }) =>
  t("error.number", { setting: label(name), low, high: unit ? `${high} ${said(unit)}` : high });

const holds = ({ when }) =>
  Object.entries(when).every(([name, values]) =>
    values.includes(name === "signal" ? Boolean(state.signal) : state.settings[name]),
  );

/** Say beside a control what the setting does with the others as they are; without effect it is greyed. */
function remark(one, why, inputs) {
  const found = one.remarks.find(holds);
  for (const input of inputs) input.disabled = Boolean(found) && !found.effect;
  why.hidden = !found;
  put(why, found && inWords(found.sentence));
}

function slider(one, id, ask, change) {
  const name = label(one.name);
  const unit = said(one.unit ?? "");
  const places = stops(one);
  const long = one.high - one.low > 1e5; // a slider over billions of values would mean nothing
  const number = h("input", {
    type: "number",
    id,
    min: one.low,
    max: one.high,
    step: 1,
    inputmode: "numeric",
    required: true,
    "aria-describedby": `${id}-help`,
  });
  const range = long
    ? null
    : h("input", { type: "range", min: 0, max: places.length - 1, step: 1, "aria-label": name });
  const spoken = (value) => range?.setAttribute("aria-valuetext", `${value} ${unit}`.trim());
  const showing = () => {
    number.value = state.settings[one.name];
    number.removeAttribute("aria-invalid");
    hush(one.name); // with the number that was refused goes what was said of it
    if (range) range.value = nearest(places, state.settings[one.name]);
    spoken(state.settings[one.name]);
  };
  const typed = () => {
    const value = parse(one, number.value);
    if (value === undefined) {
      number.setAttribute("aria-invalid", "true");
      say("error", () => numberError(one), { about: one.name });
      return;
    }
    change(one.name, value, true);
    showing();
  };
  number.addEventListener("change", typed);
  const slide = (settled) => () => {
    const value = places[range.valueAsNumber];
    number.value = value;
    number.removeAttribute("aria-invalid");
    hush(one.name);
    spoken(value);
    change(one.name, value, settled);
  };
  range?.addEventListener("input", slide(false));
  range?.addEventListener("change", slide(true));
  shows.push(showing);
  const amount = h("span", { class: "amount" }, number, h("span", { class: "unit" }, unit));
  return [line(id, name, ask, amount), range];
}

function list(one, id, ask, change) {
  const select = h("select", { id, on: { change: () => change(one.name, select.value, true) } });
  for (const choice of one.choices) {
    const words = choiceWords(choice);
    select.append(
      h(
        "option",
        { value: choice.value, disabled: !choice.available, title: choice.reason && said(choice.reason) },
        choice.available ? words : t("controls.unavailable", { choice: words }),
      ),
    );
  }
  shows.push(() => {
    select.value = state.settings[one.name];
  });
  return line(id, label(one.name), ask, select);
}

function toggle(one, id, ask, change) {
  const box = h("input", {
    type: "checkbox",
    role: "switch",
    id,
    on: { change: () => change(one.name, box.checked, true) },
  });
  shows.push(() => {
    box.checked = state.settings[one.name];
  });
  return line(id, label(one.name), ask, box);
}

/** The device, as a switch: on takes the accelerator there is, off the CPU; greyed with the reason where there is none. */
function gpu(one, id, ask, change) {
  const found = one.choices.find((c) => ACCELERATORS.includes(c.value) && c.available);
  const reasons = one.choices
    .filter((c) => ACCELERATORS.includes(c.value))
    .map((c) => c.reason)
    .filter(Boolean)
    .map(said);
  const box = h("input", {
    type: "checkbox",
    role: "switch",
    id,
    disabled: !found,
    "aria-describedby": `${id}-why`,
    on: { change: () => change(one.name, box.checked ? found.value : "cpu", true) },
  });
  const why = h(
    "p",
    { class: "why", id: `${id}-why` },
    found ? choiceWords(found) : t("controls.noGpu", { reason: reasons[0] }),
  );
  if (!found) why.title = reasons.join(" ");
  shows.push(() => {
    box.checked = Boolean(found) && state.settings[one.name] !== "cpu";
  });
  return [line(id, t("controls.gpu"), ask, box), why];
}

/** Take a new value over into the settings; true if it is one. */
export function take(name, value) {
  if (state.settings[name] === value) return false;
  set({ settings: { ...state.settings, [name]: value } });
  return true;
}
