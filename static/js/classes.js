// Class maps as pictures: which class a pixel has, told by its colour, and maps with some of the classes left out.

import { rgb } from "./bar.js";
import { h, sizeOf } from "./dom.js";
import { state } from "./state.js";

const drawings = new WeakMap(); // picture -> {hidden, canvas}

const key = (r, g, b) => (r << 16) | (g << 8) | b;

/** The colours of the classes of `legend` that `wanted` says yes to, as numbers. */
export const coloursOf = (legend, wanted) =>
  new Set(legend.filter(wanted).map((one) => key(.../** @type {[number, number, number]} */ (rgb(one.colour)))));

export const isHidden = (entry) => state.hiddenClasses.includes(entry.name);

/** The pixels of a picture. */
export function pixelsOf(picture) {
  const [width, height] = sizeOf(picture);
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return { canvas, context, image: context.getImageData(0, 0, width, height) };
}

export const colourAt = (data, i) => key(data[i], data[i + 1], data[i + 2]);

/** The picture of a class map without the classes that are hidden; the picture itself where none is. */
export function withoutHidden(panel, picture) {
  const hidden = panel.legend?.filter(isHidden) ?? [];
  if (!hidden.length) return picture;
  const names = hidden.map((one) => one.name).join("\n");
  const known = drawings.get(picture);
  if (known?.names === names) return known.canvas;
  const gone = coloursOf(panel.legend, isHidden);
  const { canvas, context, image } = pixelsOf(picture);
  for (let i = 0; i < image.data.length; i += 4) if (gone.has(colourAt(image.data, i))) image.data[i + 3] = 0;
  context.putImageData(image, 0, 0);
  drawings.set(picture, { names, canvas });
  return canvas;
}
