// The photo cut out by what the right panel shows: a class, or where a value reaches a threshold. PNG with alpha.

import { calledNow, rightPanel } from "./compare.js";
import { colourAt, coloursOf, isHidden, pixelsOf } from "./classes.js";
import { byId, h, put, savePng, sizeOf } from "./dom.js";
import { fixed, number } from "./format.js";
import { sentences, t } from "./i18n.js";
import { cells, classWords, picture } from "./panels.js";
import { said } from "./said.js";
import { on, state } from "./state.js";
import { trouble } from "./trouble.js";
import { valuesOf } from "./values.js";

const STEPS = 200; // places of the threshold's slider
const SHOWN = "\n"; // stands for all classes on show; no class has this name

let source = null; // {panel, drawn, value, photo, columns, rows} of what is cut
let alpha = null; // Uint8ClampedArray, one for each pixel of the photo
let background = null; // a picture of the person's own

export function start() {
  byId("cut").addEventListener("click", () => open().catch(trouble));
  for (const id of ["cut-threshold", "cut-class", "cut-invert"]) byId(id).addEventListener("input", cut);
  for (const id of ["cut-ground", "cut-colour"]) byId(id).addEventListener("input", draw);
  byId("cut-picture").addEventListener("change", bring);
  byId("cut-save").addEventListener("click", () => savePng(compose(null), "cutout"));
  byId("cut-save-mask").addEventListener("click", () => savePng(mask(), "mask"));
  byId("cut-save-ground").addEventListener("click", () => savePng(compose(ground()), "composed"));
  on(["view", "result", "language"], enable);
  enable();
}

/** Take the person's own picture for the background; its box says so of a file that this browser cannot read. */
async function bring() {
  const box = byId("cut-picture");
  const [file] = box.files;
  background = file ? await createImageBitmap(file).catch(() => null) : null;
  box.setCustomValidity(file && !background ? t("cut.unreadable", { name: file.name }) : "");
  box.reportValidity();
  draw();
}

/** The right panel, if something can be cut by it. */
function panel() {
  const shown = rightPanel();
  return shown && (shown.legend || shown.bar) && state.view.group !== "kernel" ? shown : null;
}

function enable() {
  const ready = Boolean(state.result && panel());
  byId("cut").disabled = !ready;
  byId("cut").title = ready ? "" : t("cut.needs");
}

async function open() {
  const { result } = state;
  const by = panel();
  const original = result.panels.find((p) => p.name === "original");
  const [drawn, value, photo] = await Promise.all([
    by.legend && picture(by, result.job),
    by.legend ? null : valuesOf(by, result.job),
    picture(original, result.job),
  ]);
  const [columns, rows] = cells(by, result.image, result.settings);
  source = { panel: by, drawn, value, photo, columns, rows };
  byId("cut-title").textContent = t("cut.by", { panel: calledNow(by) });
  byId("cut-class-row").hidden = !by.legend;
  byId("cut-threshold-row").hidden = Boolean(by.legend);
  if (by.legend) {
    put(
      byId("cut-class"),
      h("option", { value: SHOWN }, t("cut.shown")),
      by.legend.map((one) => h("option", { value: one.name }, classWords(one))),
    );
    const seen = by.legend.filter((one) => !isHidden(one));
    byId("cut-class").value = (seen.find(isAt(state.point)) ?? seen[0])?.name ?? SHOWN;
  } else {
    Object.assign(byId("cut-threshold"), { min: 0, max: STEPS, step: 1 });
    byId("cut-threshold").value = Math.round(STEPS * 0.75);
  }
  byId("cut-dialog").showModal();
  cut();
}

/** A function that says whether the pixel `point` of the photo is of a class. */
function isAt(point) {
  const { panel: by, drawn, columns, rows } = source;
  const { image } = pixelsOf(drawn);
  const here = point && point.x < columns.length && point.y < rows.length;
  const colour = here && colourAt(image.data, 4 * (rows[point.y] * image.width + columns[point.x]));
  return (one) => here && coloursOf(by.legend, (other) => other === one).has(colour);
}

/** A function that says whether the panel's pixel (px, py) is kept; null where the panel has nothing. */
function keeps() {
  const { panel: by, drawn, value } = source;
  if (by.legend) {
    const name = byId("cut-class").value;
    const kept = coloursOf(by.legend, (one) => (name === SHOWN ? !isHidden(one) : one.name === name));
    const all = coloursOf(by.legend, () => true);
    const { image } = pixelsOf(drawn);
    return (px, py) => {
      const colour = colourAt(image.data, 4 * (py * image.width + px));
      return all.has(colour) ? kept.has(colour) : null;
    };
  }
  const { low, high, unit } = by.bar;
  const limit = low + ((high - low) * byId("cut-threshold").valueAsNumber) / STEPS;
  byId("cut-limit").textContent = `≥ ${number(limit, 3, high - low)}${unit ? ` ${said(unit)}` : ""}`;
  return (px, py) => {
    const here = value(px, py);
    return Number.isFinite(here) ? here >= limit : null;
  };
}

function cut() {
  const { photo, columns, rows } = source;
  const [width, height] = sizeOf(photo);
  const kept = keeps();
  const inside = byId("cut-invert").checked ? 0 : 255;
  alpha = new Uint8ClampedArray(width * height);
  let [count, gaps] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const is = kept(columns[x], rows[y]);
      if (is === null) gaps++; // which are neither the part nor the rest, and stay 0
      else if ((alpha[y * width + x] = is ? inside : 255 - inside)) count++;
    }
  }
  const share = (part) => fixed((100 * part) / alpha.length, 1);
  byId("cut-share").textContent = sentences([
    t("cut.share", { share: share(count) }),
    gaps && t("cut.gaps", { share: share(gaps) }),
  ]);
  draw();
}

/** What stands behind: null for nothing, a colour, or a picture. */
function ground() {
  const how = byId("cut-ground").value;
  if (how === "picture") return background;
  return how === "colour" ? byId("cut-colour").value : null;
}

function draw() {
  const how = byId("cut-ground").value;
  byId("cut-colour").hidden = how !== "colour";
  byId("cut-picture").hidden = how !== "picture";
  byId("cut-save-ground").disabled = ground() === null;
  const canvas = byId("cut-canvas");
  const made = compose(ground());
  Object.assign(canvas, { width: made.width, height: made.height });
  canvas.getContext("2d").drawImage(made, 0, 0);
  canvas.setAttribute("aria-label", `${byId("cut-title").textContent}. ${byId("cut-share").textContent}`);
}

/** The photo with the cut's alpha, over `behind`. */
function compose(behind) {
  const { canvas, context, image } = pixelsOf(source.photo);
  for (let i = 0; i < alpha.length; i++) image.data[4 * i + 3] = alpha[i];
  context.putImageData(image, 0, 0);
  if (behind === null) return canvas;
  context.globalCompositeOperation = "destination-over";
  if (typeof behind === "string") {
    context.fillStyle = behind;
    context.fillRect(0, 0, canvas.width, canvas.height);
  } else {
    const scale = Math.max(canvas.width / behind.width, canvas.height / behind.height);
    const [width, height] = [behind.width * scale, behind.height * scale];
    context.drawImage(behind, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }
  return canvas;
}

/** The mask itself: white is kept. */
function mask() {
  const { canvas, context, image } = pixelsOf(source.photo);
  for (let i = 0; i < alpha.length; i++) image.data.set([alpha[i], alpha[i], alpha[i], 255], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}
