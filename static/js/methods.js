// The ways to upsample, and which panel was made by which. Each has one colour everywhere on the page
// (static/css/base.css, .m-<method>).

import { t } from "./i18n.js";

const WORDS = {
  bilinear: "method.bilinear",
  bicubic: "method.bicubic",
  fixed: "method.fixed",
  gsjbu: "method.gsjbu",
  auto: "method.auto",
  tto_rgb: "method.tto_rgb",
  tto_signal: "method.tto_signal",
  lr: "method.lr",
  original: "method.original",
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

// The three that stand side by side wherever each signal has what suits it: one word for each that a person understands.
const ROLES = { plain: "role.plain", paper: "role.paper", suited: "role.suited" };
const TRIO = ["bilinear", "gsjbu", "auto"];

const ofGroup = (result, group) => (result.methods ?? []).filter((one) => one.group === group);

/** The words key of what a method is there for, or null where three do not stand side by side. */
function roleWords(result, group, method) {
  const all = ofGroup(result, group);
  if (!TRIO.includes(method) || !all.some((one) => one.id === "auto")) return null;
  return ROLES[all.find((one) => one.id === method)?.role] ?? null;
}

export const methodTitle = (method) => (isMethod(method) ? t(WORDS[method]) : method);

/** A method as it is called in a group: by what it is there for, and its name. */
export function methodIn(result, group, method) {
  const role = roleWords(result, group, method);
  return role ? t("method.role", { role: t(role), name: methodTitle(method) }) : methodTitle(method);
}

/** The group whose methods are measured in place of those of `group`: similarity is of features. */
export const measuredGroup = (group) => (group === "similarity" ? "features" : group);

/** The method that measured best for what a group shows: what stands against bilinear. */
export const bestOf = (result, group) => ofGroup(result, group).find((one) => one.measured_best)?.id ?? "gsjbu";
