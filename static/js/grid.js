// The low-resolution grid of an image, and which of its cells each pixel belongs to: the rules of gsjbu's own Grid.

const NEARLY = 1e-9; // pixels: so near a pixel's centre lies on a border

/** The first pixel of each cell along an axis of `size` pixels, and `size` itself. */
function starts(size, cells, step) {
  const out = new Int32Array(cells + 1);
  const ties = [];
  for (let q = 0; q <= cells; q++) {
    const exact = q * step - 0.5;
    out[q] = Math.ceil(exact - NEARLY);
    if (Math.abs(exact - out[q]) <= NEARLY) ties.push(q);
  }
  // Of pixels whose centres lie on a border every other one, counted from either end, is the cell's before it.
  ties.forEach((q, left) => {
    const right = ties.length - 1 - left;
    out[q] += (Math.min(left, right) + Number(left > right)) % 2;
  });
  out[0] = 0;
  out[cells] = size;
  return out.map((start) => Math.min(start, size));
}

/** The cell of each pixel along an axis of `size` pixels, whose `cells` have `step` pixels each. */
export function cellsOf(size, cells, step) {
  const first = starts(size, cells, step);
  const out = new Int32Array(size);
  for (let q = 0; q < cells; q++) out.fill(q, first[q], first[q + 1]);
  return out;
}

/** The whole number nearest to `x`; of a half the even one, as Python's `round` takes it. */
function rounded(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}

/** Rows and columns of an image that a run first reduces to `resolution` pixels along its longer side. */
export function gridOf({ width, height }, resolution, stride) {
  const longest = Math.max(width, height);
  const kept = Math.min(resolution, longest);
  const count = (size) => Math.ceil(Math.max(1, rounded((size * kept) / longest)) / stride);
  return { rows: count(height), cols: count(width) };
}
