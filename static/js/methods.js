// The ways to upsample, and which panel was made by which. Each has one colour everywhere on the page
// (static/css/base.css, --m-<method>).

const WORDS = {
  bilinear: "method.bilinear",
  bicubic: "method.bicubic",
  fixed: "method.fixed",
  gsjbu: "method.gsjbu",
  gsjbu_rgb: "method.gsjbu_rgb",
  gsjbu_signal: "method.gsjbu_signal",
  lr: "method.lr",
  original: "method.original",
};
const ORDER = ["bilinear", "bicubic", "fixed", "gsjbu", "gsjbu_rgb", "gsjbu_signal"];

/** The words key of a method, or null for one this page does not know. */
export const methodWords = (method) => WORDS[method] ?? null;

/** The class that gives a method its colour. */
export const methodClass = (method) => `m-${method in WORDS ? method : "other"}`;

export const methodOrder = (a, b) => (ORDER.indexOf(a) + 99) % 99 - ((ORDER.indexOf(b) + 99) % 99);

/** The method that made a panel, from its name: error_bilinear → bilinear, gsjbu_signal_rgb → gsjbu_signal. */
export function methodOf(name) {
  if (/gsjbu.*signal|signal.*tto|tto_signal/.test(name) && !/^signal_gsjbu$/.test(name)) return "gsjbu_signal";
  if (/gsjbu|tto/.test(name)) return "gsjbu";
  for (const method of ["bilinear", "bicubic", "fixed", "original"]) if (name.includes(method)) return method;
  return /(^|_)lr($|_)/.test(name) ? "lr" : null;
}
