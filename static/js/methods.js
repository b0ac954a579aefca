// The ways to upsample, and which panel was made by which. Each has one colour everywhere on the page
// (static/css/base.css, --m-<method>).

const WORDS = {
  bilinear: "method.bilinear",
  bicubic: "method.bicubic",
  fixed: "method.fixed",
  gsjbu: "method.gsjbu",
  tto_rgb: "method.tto_rgb",
  tto_signal: "method.tto_signal",
  lr: "method.lr",
  original: "method.original",
};
const ORDER = ["bilinear", "bicubic", "fixed", "gsjbu", "tto_rgb", "tto_signal"];

/** The words key of a method, or null for one this page does not know. */
export const methodWords = (method) => WORDS[method] ?? null;

/** The class that gives a method its colour. */
export const methodClass = (method) => `m-${method in WORDS ? method : "other"}`;

/** A method's place in lists; unknown ones come last. */
const place = (method) => (ORDER.includes(method) ? ORDER.indexOf(method) : ORDER.length);
export const methodOrder = (a, b) => place(a) - place(b);

/** The method that made a panel, from its name: error_bilinear → bilinear, features_tto_signal → tto_signal. */
export function methodOf(name) {
  for (const method of ["tto_signal", "tto_rgb", "gsjbu", "bilinear", "bicubic", "fixed", "original"]) {
    if (name.includes(method)) return method;
  }
  return /(^|_)lr($|_)/.test(name) ? "lr" : null;
}
