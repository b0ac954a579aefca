// A colour map, as a lookup and as a small bar with its ends named.

import { h } from "./dom.js";
import { number, spanOf } from "./format.js";
import { said } from "./said.js";
import { state } from "./state.js";

const tables = new Map(); // name -> bytes

/** The bytes [r, g, b] of #rrggbb. */
export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** The 256 colours of one of the server's maps, as bytes r, g, b, r, g, b… */
export function lookup(map) {
  if (!tables.has(map)) tables.set(map, between(state.info.colour_maps[map].map(rgb)));
  return tables.get(map);
}

/** 256 colours at even distances along straight lines between a map's anchors. */
function between(colours) {
  const out = new Uint8ClampedArray(768);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (colours.length - 1);
    const low = Math.min(colours.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) out[3 * i + c] = colours[low][c] + (at - low) * (colours[low + 1][c] - colours[low][c]);
  }
  return out;
}

/** The bar of a panel: {low, high, unit, map}. */
export function colourBar(bar) {
  const table = lookup(bar.map);
  const canvas = h("canvas", { width: 256, height: 1, class: "colours", "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
  context.putImageData(image, 0, 0);
  const unit = bar.unit ? ` ${said(bar.unit)}` : "";
  return h(
    "span",
    { class: "bar" },
    h("span", {}, number(bar.low, 3, spanOf(bar))),
    canvas,
    h("span", {}, `${number(bar.high, 3, spanOf(bar))}${unit}`),
  );
}
