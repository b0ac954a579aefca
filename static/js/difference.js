// How much two panels differ, place by place: as a picture, dark where they are alike.

import { lookup } from "./bar.js";
import { h, sizeOf } from "./dom.js";

export const MAP = "inferno";
let last = null; // {left, right, picture, high}

/**
 * The mean difference of the colours that `left` and `right` show, 0…1, over the image's pixels.
 * @returns {{picture: HTMLCanvasElement, high: number}} drawn from 0 to `high`, the greatest difference
 */
export function difference(left, right, { width, height }) {
  if (last?.left === left.picture && last.right === right.picture) return last;
  const picture = h("canvas", { width, height });
  const context = picture.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  for (const [pane, how] of [
    [left, "source-over"],
    [right, "difference"],
  ]) {
    const { picture: drawn, step } = pane;
    const [wide, high] = sizeOf(drawn);
    context.globalCompositeOperation = how;
    context.drawImage(drawn, 0, 0, wide * step[0], high * step[1]);
  }
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  let most = 1; // of 3 · 255
  for (let i = 0; i < data.length; i += 4) most = Math.max(most, data[i] + data[i + 1] + data[i + 2]);
  const table = lookup(MAP);
  for (let i = 0; i < data.length; i += 4) {
    const at = 3 * Math.round(((data[i] + data[i + 1] + data[i + 2]) / most) * 255);
    for (let c = 0; c < 3; c++) data[i + c] = table[at + c];
    data[i + 3] = 255;
  }
  context.globalCompositeOperation = "source-over";
  context.putImageData(image, 0, 0);
  last = { left: left.picture, right: right.picture, picture, high: most / 765 };
  return last;
}

/** A picture that is drawn anew in place (a similarity map) has another difference. */
export function forget() {
  last = null;
}
