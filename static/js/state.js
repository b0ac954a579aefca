// What the page knows, in one object; parts of the page listen to the keys they show.

export const state = {
  language: null, // code of the language that is shown
  info: null, // answer of /api/settings
  settings: {}, // name -> value
  image: null, // {id, name, width, height, thumb, sample | blob}
  recent: [], // images of this visit, newest first
  signal: null, // {id, name, shape, kind, note, blob}; one from the address has no blob
  truth: null, // {id, name, shape, entry, send, scene, what}; a file's from the address has no send
  sending: [], // {name} of each file on its way to the server
  returnFiles: false,
  estimate: null, // {seconds, bytes, stages, advice, download: why there will be no zip, if so}
  run: { phase: "idle" }, // idle | waiting | running (busy, queued) | failed | cancelled, with job, progress, losses, settings, problem
  result: null, // the last finished run, with job and image
  runs: [], // results of this visit, newest first
  view: {
    group: "rgb",
    left: null,
    right: null,
    third: null, // the grid's other two
    fourth: null,
    divider: 50,
    layout: "divider",
    turns: 0, // how often another tab was chosen
    before: null, // the layout to go back to after the similarity maps
    ellipses: false,
    opacity: 70,
  },
  hiddenClasses: [], // names of classes that are not drawn
  line: null, // {x0, y0, x1, y1} in image pixels: where the profile is taken
  profile: null, // {line, curves} of the line, once read from the pictures
  region: null, // {x0, y0, x1, y1} in image pixels, both corners inside: of which mean and spread are told
  point: null, // {x, y} in image pixels
  kept: [], // further points that similarity is asked for
  online: true,
  warm: true, // whether the server has compiled what makes its runs fast
};

const listeners = new Map();

/** Call `fn` whenever one of `keys` is set. */
export function on(keys, fn) {
  for (const key of [keys].flat()) {
    if (!listeners.has(key)) listeners.set(key, new Set());
    listeners.get(key).add(fn);
  }
}

/** Take over `patch`, then tell each listener once. */
export function set(patch) {
  Object.assign(state, patch);
  const due = new Set();
  for (const key of Object.keys(patch)) for (const fn of listeners.get(key) ?? []) due.add(fn);
  for (const fn of due) fn(state);
}

/** Change part of the view. */
export function look(patch) {
  set({ view: { ...state.view, ...patch } });
}
