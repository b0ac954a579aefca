// How much two panels differ, place by place: as a picture, dark where they are alike.

import { lookup } from "./bar.js";
import { h, sizeOf } from "./dom.js";

export const MAP = "inferno";
const NOTHING = 128; // the grey of "no value", as the server's pictures have it
let last = null; // {left, right, picture, high, unit}

/**
 * By how much `left` and `right` differ over the image's pixels: where both have values on one scale, by those, in
 * their unit; otherwise the mean difference of the colours they show, 0…1, and no unit.
 * @returns {{picture: HTMLCanvasElement, high: number, unit: string | null}} drawn from 0 to `high`, the greatest
 */
export function difference(left, right, image) {
  if (last?.left === left.picture && last.right === right.picture) return last;
  const picture = h("canvas", { width: image.width, height: image.height });
  const context = picture.getContext("2d", { willReadFrequently: true });
  const byValue = left.value && right.value;
  const apart = (byValue ? ofValues : ofColours)(left, right, image, context);
  let high = 0;
  for (const one of apart) if (one > high) high = one;
  const drawn = context.createImageData(image.width, image.height);
  const table = lookup(MAP);
  apart.forEach((one, i) => {
    const at = 3 * Math.round(high > 0 ? (one / high) * 255 : 0);
    const is = Number.isFinite(one);
    for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = is ? table[at + c] : NOTHING;
    drawn.data[4 * i + 3] = 255;
  });
  context.putImageData(drawn, 0, 0);
  last = { left: left.picture, right: right.picture, picture, high, unit: byValue ? left.panel.bar.unit : null };
  return last;
}

/** How far the values are apart, NaN where one of them is missing. */
function ofValues({ value: left }, { value: right }, { width, height }) {
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const by = Math.abs(left(x, y) - right(x, y));
      out[y * width + x] = Number.isFinite(by) ? by : NaN;
    }
  return out;
}

/** How far the colours are apart, of 1; `context` is drawn on. */
function ofColours(left, right, { width, height }, context) {
  context.imageSmoothingEnabled = false;
  for (const [{ picture: drawn, step }, how] of [
    [left, "source-over"],
    [right, "difference"],
  ]) {
    const [wide, high] = sizeOf(drawn);
    context.globalCompositeOperation = how;
    context.drawImage(drawn, 0, 0, wide * step[0], high * step[1]);
  }
  const { data } = context.getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 765);
}

/** A picture that is drawn anew in place (a similarity map) has another difference. */
export function forget() {
  last = null;
}
