// The ways to upsample, and which panel was made by which. Each has one colour everywhere on the page
// (static/css/base.css, .m-<method>).

import { t } from "./i18n.js";

const WORDS = {
  bilinear: { name: "method.bilinear", is: "method.bilinear.is" },
  bicubic: { name: "method.bicubic", is: "method.bicubic.is" },
  fixed: { name: "method.fixed", is: "method.fixed.is" },
  gsjbu: { name: "method.gsjbu", is: "method.gsjbu.is" },
  auto: { name: "method.auto", is: "method.auto.is" },
  tto_rgb: { name: "method.tto_rgb", is: "method.tto_rgb.is" },
  tto_signal: { name: "method.tto_signal", is: "method.tto_signal.is" },
  lr: { name: "method.lr", is: "method.lr.is" },
  original: { name: "method.original", is: "method.original.is" },
};
const ORDER = ["bilinear", "bicubic", "fixed", "gsjbu", "auto", "tto_rgb", "tto_signal"];

export const isMethod = (method) => method in WORDS;

/** The class that gives a method its colour. */
export const methodClass = (method) => `m-${isMethod(method) ? method : "other"}`;

/** A method's place in lists; unknown ones come last. */
const place = (method) => (ORDER.includes(method) ? ORDER.indexOf(method) : ORDER.length);
export const methodOrder = (a, b) => place(a) - place(b);

/** The method that made a panel, from its name: error_bilinear → bilinear, features_tto_signal → tto_signal. */
export function methodOf(name) {
  for (const method of ["tto_signal", "tto_rgb", "gsjbu", "auto", "bilinear", "bicubic", "fixed", "original"]) {
    if (name.includes(method)) return method;
  }
  return /(^|_)lr($|_)/.test(name) ? "lr" : null;
}

// Of the three that stand side by side where a signal has what suits it: one word for each that a person understands.
const ROLES = { bilinear: "role.plain", gsjbu: "role.paper", auto: "role.suited" };
/** What goes by the name gsjbu where the objective was chosen by hand, by its role. */
const BY_HAND = { suited: "auto", chosen: "tto_signal" };

/** The group whose methods made what `group` shows: similarity and segments are of features. */
export const mixedGroup = (group) => (["similarity", "segments"].includes(group) ? "features" : group);

/** The methods of what a group shows. */
export const methodsOf = (result, group) => (result.methods ?? []).filter((one) => one.group === mixedGroup(group));

/** Those of a group's figures that are compared there, in their order. */
export const compared = (result, group, metrics) =>
  Object.keys(metrics)
    .filter((id) => typeof metrics[id] === "object" && metrics[id] && methodsOf(result, group).some((one) => one.id === id))
    .sort(methodOrder);

/** What a method of a run is: its gsjbu is a fit on the objective that was chosen. */
export function methodNow(result, group, id) {
  const role = id === "gsjbu" && methodsOf(result, group).find((one) => one.id === id)?.role;
  return BY_HAND[role] ?? id;
}

/** A method as it is called in a group: by what it is there for where there is one that suits the signal, and its name. */
export function methodIn(result, group, id) {
  const method = methodNow(result, group, id);
  const name = isMethod(method) ? t(WORDS[method].name) : method;
  const suits = methodsOf(result, group).some((one) => one.role === "suited");
  return suits && method in ROLES ? t("method.role", { role: t(ROLES[method]), name }) : name;
}

/** What a method is, in a clause. */
export function methodWords(result, group, id) {
  const method = methodNow(result, group, id);
  return isMethod(method) ? t(WORDS[method].is) : "";
}

/** The class of the colour of the method that made a panel of a result. */
export const colourOf = (result, { group, name }) => methodClass(methodNow(result, group, methodOf(name)));

/** The method that measured best for what a group shows: what stands against bilinear. */
export const bestOf = (result, group) => methodsOf(result, group).find((one) => one.measured_best)?.id ?? "gsjbu";
