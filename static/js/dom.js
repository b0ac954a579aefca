// Making elements without markup strings: the page's policy refuses inline styles and scripts.

const SVG = "http://www.w3.org/2000/svg";

/** `children` flat, without what is not there. */
const there = (children) =>
  children.flat().filter((child) => child !== null && child !== undefined && child !== false);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, fn] of Object.entries(value)) node.addEventListener(event, fn);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...there(children));
  return node;
}

/** An HTML element: h("button", {class: "quiet", on: {click}}, "Run"). */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** A button: button({class: "icon"}, click, "×"). */
export const button = (props, click, ...children) => h("button", { type: "button", ...props, on: { click } }, ...children);

/** An SVG element, as h makes one of HTML. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * An element of index.html; which kind it is stands there.
 * @param {string} id
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/** What an element that is built again is known by: its data, where it has any. */
const mark = (node) => node.dataset && Object.keys(node.dataset).length && JSON.stringify({ ...node.dataset });

/** Replace what a node holds; the focus goes over to its element's successor. */
export function put(node, ...children) {
  const held = node.contains(document.activeElement) && mark(document.activeElement);
  node.replaceChildren(...there(children));
  if (held) [...node.querySelectorAll("[tabindex], button")].find((one) => mark(one) === held)?.focus();
  return node;
}

/** A button that opens the file picker `input`; `take(file)` gets what is chosen. */
export function picks(button, input, take) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) take(file);
    input.value = ""; // or the same file could not be chosen again
  });
}

/** [width, height] of an image or a canvas in its own pixels. */
export const sizeOf = (picture) => [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];

/** Give the person what a canvas shows, as a PNG file. */
export function savePng(canvas, name) {
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    h("a", { href: address, download: `${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }, "image/png");
}

/** Calls of `fn` while one is in flight collapse into one later call with the newest arguments. */
export function latest(fn) {
  let busy = false;
  let next = null;
  return async function call(...args) {
    if (busy) {
      next = args;
      return;
    }
    busy = true;
    try {
      await fn(...args);
    } finally {
      busy = false;
      if (next) {
        const again = next;
        next = null;
        call(...again);
      }
    }
  };
}

export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export const REST = 60; // ms without movement before the server is asked about a place

/** `fn` after `quiet` ms without a call; `.now(...)` skips them, `.cancel()` forgets. */
export function debounce(fn, quiet) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), quiet);
  };
  later.now = (...args) => {
    clearTimeout(timer);
    return fn(...args);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
